"""One chest as curves, drawn from distributions rather than from one template."""

from dataclasses import dataclass, field

import numpy as np

from rds_tf.phantoms import curves, skeleton


@dataclass(frozen=True)
class Anatomy:
    """One chest as curves in thorax units.

    Attributes:
        lungs: closed curves, the right lung (picture's left) first. They include
            the lung behind the heart and above the dome of the diaphragm.
        heart: closed curve of heart and great vessels.
        soft: closed curves of soft tissue (torso, neck, head, arms) with their
            thickness, 1 being the torso's.
        plates: closed curves of vertebrae with their density.
        bones: layers of open curves, each layer with one width and density.
        airways: open curves with width, the trachea first.
        vessels: open curves with width, inside the lungs.
        gas: closed curves of stomach and bowel gas.
    """

    lungs: list[curves.Curve]
    heart: curves.Curve
    soft: list[tuple[curves.Curve, float]] = field(default_factory=list)
    plates: list[tuple[list[curves.Curve], float]] = field(default_factory=list)
    bones: list[tuple[list[curves.Curve], float, float]] = field(default_factory=list)
    airways: list[tuple[curves.Curve, float]] = field(default_factory=list)
    vessels: list[tuple[curves.Curve, float]] = field(default_factory=list)
    gas: list[curves.Curve] = field(default_factory=list)


def make_anatomy(
    rng: np.random.Generator, age: float = 0.0, volume: float = 1.0
) -> Anatomy:
    """Draw one chest.

    Args:
        rng: random generator.
        age: float, body proportions: 0 newborn, 0.5 school age, 1 adult.
        volume: float, height of the lungs relative to a full breath, 0.6 to 1.2.

    Returns:
        An `Anatomy`.
    """
    height = np.interp(age, [0, 0.5, 1], [1.28, 1.5, 1.85])
    height *= volume * rng.uniform(0.88, 1.14)
    gap = rng.uniform(0.10, 0.19)  # spine to medial border
    turn = rng.normal(0, 0.05)  # patient turned about the long axis
    lungs = [_lung(rng, side, age, height, gap - side * turn) for side in (-1, 1)]
    heart = _heart(rng, age, height, turn)
    bones = skeleton.make_ribs(rng, age, height) + skeleton.make_clavicles(rng, height)
    soft, limbs = skeleton.make_soft_tissue(rng, age, height)
    return Anatomy(
        lungs=lungs,
        heart=heart,
        soft=soft,
        plates=skeleton.make_spine(rng, height),
        bones=bones + limbs,
        airways=_airways(rng, height, turn),
        vessels=[v for side in (-1, 1) for v in _vessels(rng, side, height, turn)],
        gas=_gas(rng, height),
    )


def _lung(rng, side: int, age: float, height: float, gap: float) -> curves.Curve:
    """Return one lung's closed outline; `side` is -1 for the right lung."""
    top = -0.52 * height + rng.normal(0, 0.02)
    bottom = 0.48 * height + rng.normal(0, 0.04)
    tall = bottom - top
    dome = rng.uniform(0.10, 0.24) * tall  # diaphragm above the costophrenic angle
    slope = rng.uniform(-0.06, 0.05) * tall  # its medial end
    shoulder = np.interp(age, [0, 1], [0.46, 0.58]) + rng.normal(0, 0.04)
    lateral = 1.0 + rng.normal(0, 0.03)
    gap = float(np.clip(gap, 0.06, 0.26))
    reach = shoulder - gap  # width of the apex
    points = [
        (gap + rng.uniform(0.0, 0.12) * reach, top + 0.10 * tall),
        (gap + rng.uniform(0.28, 0.38) * reach, top + 0.015 * tall),
        (gap + rng.uniform(0.62, 0.70) * reach, top),
        (shoulder + 0.16, top + rng.uniform(0.13, 0.19) * tall),
        (lateral - rng.uniform(0.09, 0.17), top + 0.40 * tall),
        (lateral - rng.uniform(0.02, 0.08), top + 0.65 * tall),
        (lateral, top + 0.88 * tall),
        (lateral + 0.005, bottom - 0.015 * tall),
        (lateral - 0.03, bottom),
        (lateral - 0.14, bottom - 0.36 * dome),
        (0.66, bottom - 0.82 * dome),
        (0.42, bottom - dome),
        (gap + 0.10, bottom - dome - slope),
        (gap + 0.01, bottom - dome - slope + 0.02),
        (gap - 0.01, bottom - dome - slope - 0.07 * tall),
        (gap + rng.normal(0, 0.012), 0.15 * tall),
        (gap + rng.normal(0, 0.015), -0.15 * tall),
    ]
    points = np.asarray(points) + rng.normal(0, 0.008, (len(points), 2))
    points[:, 0] *= side
    return curves.smooth_curve(points, closed=True)


def _heart(rng, age: float, height: float, turn: float) -> curves.Curve:
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


def _airways(rng, height: float, turn: float) -> list[tuple[curves.Curve, float]]:
    """Return trachea and the two main bronchi as open curves."""
    carina = np.array([turn + rng.normal(0, 0.02), -0.14 * height])
    trachea = curves.smooth_curve(
        [(rng.normal(0, 0.03), -1.2 * height), (0.02, -0.6 * height), carina],
        closed=False,
        num_points=32,
    )
    right = np.array([carina, carina + (-0.16, 0.12), carina + (-0.24, 0.26)])
    left = np.array([carina, carina + (0.20, 0.09), carina + (0.32, 0.17)])
    return [(trachea, 0.10), (right, 0.075), (left, 0.065)]


def _vessels(
    rng, side: int, height: float, turn: float
) -> list[tuple[curves.Curve, float]]:
    """Return a branching tree from the hilum outwards as open curves."""
    hilum = np.array([side * 0.24 + turn, rng.normal(-0.02, 0.02) * height])
    tree = []
    for angle in np.linspace(-75, 80, 9) + rng.normal(0, 8, 9):
        start, heading, width = hilum, np.deg2rad(angle), rng.uniform(0.03, 0.05)
        for _ in range(3):
            step = rng.uniform(0.14, 0.26)
            heading += rng.normal(0, 0.2)
            move = np.array([side * np.cos(heading), np.sin(heading)]) * step
            end = start + move
            tree.append((np.array([start, end]), width))
            fork = heading + rng.choice([-1, 1]) * rng.uniform(0.4, 0.8)
            twig = np.array([side * np.cos(fork), np.sin(fork)]) * 0.8 * step
            tree.append((np.array([end, end + twig]), 0.55 * width))
            start, width = end, 0.7 * width
    return tree


def _gas(rng, height: float) -> list[curves.Curve]:
    """Return the stomach bubble and some bowel loops below the diaphragm."""
    loops = []
    for index in range(rng.integers(0, 8)):
        centre = (rng.uniform(-0.75, 0.75), rng.uniform(0.62, 1.15) * height)
        if index == 0:
            centre = (rng.uniform(0.35, 0.6), 0.56 * height)
        radii = rng.uniform(0.08, 0.24, 2)
        loop = curves.ring((0, 0), radii, 10) * rng.uniform(0.85, 1.15, (10, 1))
        loops.append(curves.smooth_curve(loop + centre, closed=True, num_points=40))
    return loops
