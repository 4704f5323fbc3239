"""Spine, ribs, clavicles, limbs and the soft tissue around them.

Coordinates are thorax units about the middle of the chest (see `drawing.View`). All
functions take `height`, that of the lungs, and some `age`, 0 newborn to 1 adult.
"""

import numpy as np

from rds_phantoms import curves

Bones = tuple[np.ndarray, float, float]  # open curves (K, N, 2), width, density

# A vertebra seen from the front: a box with a waist.
VERTEBRA = np.array(
    [(-1, -1), (0, -0.9), (1, -1), (0.9, 0), (1, 1), (0, 0.9), (-1, 1), (-0.9, 0)]
)


def make_spine(
    rng: np.random.Generator, height: float, half_width: float
) -> list[tuple[np.ndarray, float]]:
    """Return vertebral bodies and pedicles, stacks `(K, 8, 2)` with their density."""
    pitch = height / rng.uniform(9.0, 10.5)
    bend = rng.normal(0, 0.025)
    y = np.arange(-1.1 * height, 2.4 * height, pitch)
    centres = np.stack([bend * np.sin(2 * y), y], 1)[:, None]
    size = np.stack([half_width * (1 + 0.1 * np.minimum(y, 1)), 0 * y + 0.38 * pitch])
    size = size.T[:, None]
    offset = 0.62 * size * (1, 0)
    pedicle = VERTEBRA * (0.16, 0.4) * size
    pedicles = np.concatenate([centres - offset + pedicle, centres + offset + pedicle])
    bodies = centres + VERTEBRA * size
    return [(bodies, rng.uniform(0.03, 0.22)), (pedicles, rng.uniform(0, 0.1))]


def make_ribs(rng: np.random.Generator, age: float, height: float) -> list[Bones]:
    """Return eleven pairs of ribs, posterior and anterior arcs; age slopes them."""
    slope = np.interp(age, [0, 1], [0.10, 0.34]) + rng.normal(0, 0.05)
    density = rng.uniform(0.08, 0.24)
    width = rng.uniform(0.05, 0.085)
    pitch = 0.108 * rng.uniform(0.9, 1.08)
    index = np.arange(11)
    y = height * (-0.54 + pitch * index + rng.normal(0, 0.004, 11))
    reach = rng.uniform(0.94, 1.04) * np.interp(
        index, [0, 1, 3, 6, 8, 10], [0.46, 0.66, 0.9, 1.0, 1.02, 0.98]
    )

    def arcs(*points):
        """Return both sides' curves through points that hold all ribs' x and y."""
        path = np.empty((len(points[0][1]), len(points), 2))
        for place, (x, y) in enumerate(points):
            path[:, place, 0], path[:, place, 1] = x, y
        return _both_sides(curves.smooth_curve(path, closed=False))

    posterior = arcs(
        (0.10, y + 0.02),
        (0.35 * reach, y - 0.035),
        (0.75 * reach, y + 0.35 * slope),
        (reach, y + 0.95 * slope),
        (0.985 * reach, y + 1.2 * slope),
    )
    anterior = arcs(  # of the upper eight pairs
        (reach[:8], (y + 0.95 * slope)[:8]),
        (0.93 * reach[:8], (y + 1.5 * slope)[:8] + 0.05),
        (0.66 * reach[:8], (y + 2.0 * slope)[:8] + 0.10),
        (0.42 * reach[:8], (y + 2.2 * slope)[:8] + 0.12),
    )
    fade = rng.uniform(0.2, 0.6)
    return [(posterior, width, density), (anterior, width, fade * density)]


def _both_sides(curve: np.ndarray) -> np.ndarray:
    """Return curves of one side, `(N, 2)` or `(K, N, 2)`, and their mirror images."""
    curve = curve if curve.ndim == 3 else curve[None]
    return np.concatenate([curve, curve * (-1, 1)])


def make_clavicles(rng: np.random.Generator, height: float) -> list[Bones]:
    """Return both clavicles and the edges of the shoulder blades."""
    lift = rng.normal(0, 0.06)  # of the lateral ends, as with raised arms
    y = -0.46 * height
    clavicle = [
        (0.12, y + 0.05),
        (0.42, y + 0.02 - lift),
        (0.78, y - 0.10 - lift),
        (1.08, y - 0.12 - 1.5 * lift),
    ]
    blade = [(1.12, y - 0.02), (0.90, y + 0.18), (0.98, y + 0.52), (1.18, y + 0.20)]
    clavicle = curves.smooth_curve(clavicle, closed=False)
    blade = curves.smooth_curve(blade, closed=True)
    return [
        (_both_sides(clavicle), rng.uniform(0.07, 0.10), 0.24),
        (_both_sides(blade), 0.035, 0.08),
    ]


def make_soft_tissue(
    rng: np.random.Generator, age: float, height: float
) -> tuple[list[tuple[curves.Curve, float]], list[Bones]]:
    """Return torso, neck, head and arms with their thickness, and the humeri.

    A newborn's head is large and close to the chest.
    """
    wall = np.interp(age, [0, 1], [0.16, 0.24]) * rng.uniform(0.7, 1.7)
    top = -0.60 * height
    belly = 1 + wall + rng.normal(0, 0.06)
    half = [
        (0.0, top - 0.25),
        (0.34, top - 0.16),
        (0.85, top - 0.02),
        (1.02 + wall, top + 0.30),
        (1.0 + wall, 0.0),
        (belly, 0.55 * height),
        (belly * rng.uniform(0.92, 1.06), 1.1 * height),
        (belly * 0.9, 2.2 * height),
        (0.0, 2.4 * height),
    ]
    torso = half + [(-x, y) for x, y in half[-2:0:-1]]
    neck = rng.uniform(0.34, 0.5)
    column = [(-neck, top - 1), (neck, top - 1), (neck * 1.2, top), (-neck * 1.2, top)]
    skull = rng.uniform(0.6, 0.85) + 0.25 * (1 - age)
    chin = top - np.interp(age, [0, 1], [0.28, 0.5]) + rng.normal(0, 0.12)
    head = curves.ellipse((rng.normal(0, 0.15), chin - skull), skull)
    limbs = [_make_arm(rng, side, top, wall) for side in (-1, 1)]
    soft = [
        (curves.smooth_curve(torso, closed=True), 1.0),
        (np.asarray(column), 0.55),
        (head, 0.8),
        *((flesh, 0.5) for flesh, _ in limbs),
    ]
    humeri = np.array([humerus for _, humerus in limbs])
    return soft, [(humeri, 0.11, 0.30)]


def _make_arm(
    rng, side: int, top: float, wall: float
) -> tuple[curves.Curve, curves.Curve]:
    """Return flesh outline and humerus of one arm, raised or lowered."""
    shoulder = np.array([1.02 + 0.4 * wall, top + 0.12])
    raised = rng.random() < 0.5
    angle = np.deg2rad(rng.uniform(-80, -25) if raised else rng.uniform(40, 84))
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * rng.uniform(0.17, 0.26)
    start, end = shoulder - 0.15 * along, shoulder + 1.6 * along
    flesh = np.array([start - across, end - across, end + across, start + across])
    humerus = np.array([shoulder, shoulder + 1.3 * along])
    return flesh * (side, 1), humerus * (side, 1)
