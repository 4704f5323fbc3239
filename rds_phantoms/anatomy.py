"""One chest as curves, drawn from distributions rather than from one template."""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import curves, skeleton


@dataclass(frozen=True)
class Anatomy:
    """One chest as curves in thorax units, see `drawing.View`.

    Densities are attenuations, that of the chest wall being 1.

    Attributes:
        lungs: closed curves, the right lung (left in the image) first. They include
            the lung behind the heart and above the dome of the diaphragm.
        heart: closed curve of heart and great vessels.
        abdomen: closed curve of what lies below the diaphragm.
        soft: closed curves of soft tissue (torso, neck, head, arms) with their
            thickness, 1 being the torso's.
        vertebrae: stacks of closed curves with their density.
        bones: stacks of open curves, each with one width and density.
        airways: open curves with width, the trachea first.
        vessels: stacks of open curves with width, inside the lungs.
        gas: closed curves of stomach and bowel gas.
    """

    lungs: list[curves.Curve]
    heart: curves.Curve
    abdomen: curves.Curve
    soft: list[tuple[curves.Curve, float]]
    vertebrae: list[tuple[np.ndarray, float]]
    bones: list[skeleton.Bones]
    airways: list[tuple[curves.Curve, float]]
    vessels: list[tuple[np.ndarray, float]]
    gas: list[curves.Curve]


def make_anatomy(
    rng: np.random.Generator, age: float = 0.0, volume: float = 1.0
) -> Anatomy:
    """Draw one chest.

    Args:
        rng: random generator.
        age: float, body proportions: 0 newborn, 0.5 school age, 1 adult.
        volume: float, height of the lungs relative to a full breath, 0.6 to 1.2.
    """
    height = np.interp(age, [0, 0.5, 1], [1.28, 1.5, 1.85])
    height *= volume * rng.uniform(0.80, 1.16)
    half_spine = rng.uniform(0.085, 0.125)  # half of the width of a vertebra
    gap = half_spine + rng.uniform(0.015, 0.085)  # midline to medial border
    turn = rng.normal(0, 0.05)  # shift of the mediastinum: the patient lies obliquely
    lungs = [
        _make_lung(rng, side, age, height, gap - 0.4 * side * turn) for side in (-1, 1)
    ]
    heart = _make_heart(rng, age, height, turn)
    bones = skeleton.make_ribs(rng, age, height) + skeleton.make_clavicles(rng, height)
    soft, limbs = skeleton.make_soft_tissue(rng, age, height)
    return Anatomy(
        lungs=lungs,
        heart=heart,
        abdomen=_make_abdomen(lungs, height),
        soft=soft,
        vertebrae=skeleton.make_spine(rng, height, half_spine),
        bones=bones + limbs,
        airways=_make_airways(rng, height, turn),
        vessels=[v for side in (-1, 1) for v in _make_vessels(rng, side, height, turn)],
        gas=_make_gas(rng, height),
    )


def _make_lung(rng, side: int, age: float, height: float, gap: float) -> curves.Curve:
    """Return one lung's closed outline, the right one's if `side` is -1.

    `gap` reaches from the midline to the medial border.
    """
    top = -0.52 * height + rng.normal(0, 0.02)
    bottom = 0.48 * height + rng.normal(0, 0.04)
    tall = bottom - top
    # Diaphragm above the costophrenic angle; the liver lifts the right dome.
    dome = rng.uniform(*(0.09, 0.23) if side < 0 else (0.05, 0.20)) * tall
    slope = rng.uniform(*(-0.06, 0.05) if side < 0 else (-0.11, 0.04)) * tall
    blunt = rng.uniform(0, 0.07)  # a costophrenic angle rounded off
    shoulder = np.interp(age, [0, 1], [0.46, 0.58]) + rng.normal(0, 0.04)
    lateral = 1.0 + rng.normal(0, 0.03)
    gap = float(np.clip(gap, 0.06, 0.26))
    reach = shoulder - gap  # width of the apex
    points = [
        (gap + rng.uniform(0.0, 0.08) * reach, top + rng.uniform(0.05, 0.10) * tall),
        (gap + rng.uniform(0.22, 0.36) * reach, top + 0.012 * tall),
        (gap + rng.uniform(0.58, 0.70) * reach, top),
        (shoulder + 0.16, top + rng.uniform(0.13, 0.19) * tall),
        (lateral - rng.uniform(0.09, 0.17), top + 0.40 * tall),
        (lateral - rng.uniform(0.02, 0.08), top + 0.65 * tall),
        (lateral, top + 0.86 * tall),
        (lateral + 0.005 - 0.5 * blunt, bottom - (0.03 + blunt) * tall),
        (lateral - 0.03 - blunt, bottom - 0.6 * blunt * tall),
        (lateral - 0.14, bottom - 0.42 * dome),
        (0.66, bottom - 0.84 * dome),
        (0.42, bottom - dome),
        (gap + 0.10, bottom - dome - slope),
        (gap + 0.01, bottom - dome - slope - 0.01 * tall),
        (gap - 0.005, bottom - dome - slope - 0.08 * tall),
        (gap + rng.normal(0, 0.012), 0.15 * tall),
        (gap + rng.normal(0, 0.015), -0.15 * tall),
    ]
    points = np.asarray(points) + rng.normal(0, 0.008, (len(points), 2))
    points[:, 0] *= side
    return curves.smooth_curve(points, closed=True)


def _make_abdomen(lungs: list[curves.Curve], height: float) -> curves.Curve:
    """Return the abdomen, whose upper border is the base of both lungs."""
    # Points 8 to 13 of `_make_lung`, six samples each: lateral angle to medial.
    base = slice(8 * 6, 13 * 6 + 1)
    right, left = lungs[0][base], lungs[1][base][::-1]
    low = 2.6 * height
    ends = [(1.6, left[-1, 1]), (1.6, low), (-1.6, low)]
    return np.vstack([[(-1.6, right[0, 1])], right, left, ends])


def _make_heart(rng, age: float, height: float, turn: float) -> curves.Curve:
    """Return heart, great vessels and (in the newborn) thymus as one outline."""
    size = np.interp(age, [0, 0.5, 1], [0.62, 0.52, 0.45]) * rng.uniform(0.88, 1.15)
    base = 0.30 * height + rng.normal(0, 0.03)
    thymus = np.interp(age, [0, 0.5], [0.34, 0.20]) * rng.uniform(0.7, 1.25)
    points = [
        (-0.16, -0.50 * height),
        (-thymus * 0.8, -0.30 * height),
        (-thymus * 0.75, -0.10 * height),
        (-size * 0.58, 0.08 * height),
        (-size * 0.52, base - 0.06),
        (-0.10, base + 0.02),
        (size * 0.7, base + 0.05),
        (size * 1.12, base - 0.04),
        (size * 1.0, base - 0.20 * height),
        (size * 0.66, -0.04 * height),
        (thymus, -0.22 * height),
        (thymus * 0.85, -0.34 * height),
        (0.16, -0.50 * height),
    ]
    points = np.asarray(points) + rng.normal(0, 0.015, (len(points), 2))
    return curves.smooth_curve(points + (turn, 0), closed=True)


def _make_airways(rng, height: float, turn: float) -> list[tuple[curves.Curve, float]]:
    """Return trachea and the two main bronchi as open curves."""
    carina = np.array([turn + rng.normal(0, 0.02), -0.14 * height])
    trachea = curves.smooth_curve(
        [(rng.normal(0, 0.03), -1.2 * height), (0.02, -0.6 * height), carina],
        closed=False,
        steps=16,
    )
    right = np.array([carina, carina + (-0.16, 0.12), carina + (-0.24, 0.26)])
    left = np.array([carina, carina + (0.20, 0.09), carina + (0.32, 0.17)])
    return [(trachea, 0.10), (right, 0.075), (left, 0.065)]


def _make_vessels(
    rng, side: int, height: float, turn: float
) -> list[tuple[np.ndarray, float]]:
    """Return nine branching vessels from the hilum outwards, `(9, 2, 2)` a level."""
    start = np.array([(side * 0.24 + turn, rng.normal(-0.02, 0.02) * height)])
    heading = np.deg2rad(np.linspace(-75, 80, 9)) + np.deg2rad(rng.normal(0, 8, 9))
    width = rng.uniform(0.03, 0.05)
    tree = []
    for _ in range(3):
        heading = heading + rng.normal(0, 0.2, 9)
        length = rng.uniform(0.14, 0.26, 9)
        level = np.empty((2, 9, 2, 2))  # branch or twig, number, from or to, x or y
        level[0, :, 0] = start
        start = start + _step_outwards(side, heading, length)
        to_side = np.array([-1, 1])[rng.integers(0, 2, 9)]
        fork = heading + to_side * rng.uniform(0.4, 0.8, 9)
        level[0, :, 1] = level[1, :, 0] = start
        level[1, :, 1] = start + _step_outwards(side, fork, 0.8 * length)
        tree += [(level[0], width), (level[1], 0.55 * width)]
        width = 0.7 * width
    return tree


def _step_outwards(side: int, heading: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return steps `(N, 2)` away from the spine."""
    step = np.stack([side * np.cos(heading), np.sin(heading)], axis=1)
    return step * length[:, None]


def _make_gas(rng, height: float) -> list[curves.Curve]:
    """Return the stomach bubble and some bowel loops below the diaphragm."""
    loops = []
    for index in range(rng.integers(0, 8)):
        centre = (rng.uniform(-0.75, 0.75), rng.uniform(0.62, 1.15) * height)
        if index == 0:  # the stomach bubble
            centre = (rng.uniform(0.35, 0.6), 0.56 * height)
        radii = rng.uniform(0.08, 0.24, 2)
        circle = curves.ellipse((0, 0), 1, 10)
        loops.append(circle * radii * rng.uniform(0.85, 1.15, (10, 1)) + centre)
    return list(curves.smooth_curve(loops, closed=True)) if loops else []
