"""Windpipe, bronchi and vessels: trees of tubes from the hila into the lungs.

Branching by halves follows Weibel (Morphometry of the Human Lung, 1963): each
generation has 0.79 of the diameter of the one before. Bronchi run beside
arteries. A bronchus is air whatever lies around it: in an aerated lung it is hidden, in
a filled one it is the air bronchogram.
"""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import tubes
from rds_phantoms.body import Body
from rds_phantoms.view import View

SHRINK = 2 ** (-1 / 3)  # of the radius in a generation
VESSELS, BRONCHI = 9, 6  # generations


@dataclass(frozen=True)
class Tree:
    """Segments of one generation: `(N, 2, 3)` mm from start to end, and a radius."""

    segments: np.ndarray
    radius: float


@dataclass(frozen=True)
class Airways:
    """What conducts air and blood.

    Attributes:
        carina: `(3,)` mm.
        trachea: `(N, 3)` mm, from the neck to the carina.
        main: curves `(N, 3)` mm of the right and the left main bronchus.
        radius: float, of the trachea in mm.
        bronchi: by generation.
        vessels: by generation.
    """

    carina: np.ndarray
    trachea: np.ndarray
    main: list[np.ndarray]
    radius: float
    bronchi: list[Tree]
    vessels: list[Tree]


def make_airways(
    rng: np.random.Generator, body: Body, *, shift: float = 0.0
) -> Airways:
    """Grow the trees of one infant.

    Args:
        rng: random generator.
        body: the trunk around them.
        shift: float, of the mediastinum to the left in half widths of the chest.
    """
    size = body.size
    width, depth = size.half_width_mm, size.half_depth_mm
    # Inner diameter of the trachea: 3 to 4 mm in the newborn, a tenth of the spine's
    # pitch more a year (Griscom and Wohl, AJR 1986).
    radius = 0.195 * size.vertebra_mm * rng.uniform(0.9, 1.1)
    # Carina 2.1 heights of T1 to T2 below the top of T1 (1.5 to 2.9): T4 and T5.
    level = np.clip(rng.normal(0.34, 0.035), 0.24, 0.44)
    middle = shift * width
    lean = rng.normal(0.02, 0.03) * width  # the arch pushes it to the right
    at = np.linspace(-0.55, level, 16)
    x = (
        body.spine_x(at)
        + middle * np.clip((at + 0.1) / 0.4, 0, 1)
        - lean * np.clip(at / level, 0, 1)
    )
    z = depth * np.interp(at, [-0.55, 0, level], [0.35, 0.12, -0.12])
    trachea = np.stack([x, body.y(at), z], -1)
    carina = trachea[-1]
    main, hila = [], []
    for side, long, steep in ((-1, 0.26, 0.62), (1, 0.36, 0.48)):
        end = carina + np.array(
            [side * long * width, steep * long * width, -0.02 * depth]
        )
        main.append(np.linspace(carina, end, 8))
        hila.append(end)
    bronchi = _grow(rng, hila, body, BRONCHI, 0.62 * radius, spread=0.02)
    vessels = _grow(rng, hila, body, VESSELS, 1.0 * radius, spread=0.05)
    return Airways(carina, trachea, main, radius, bronchi, vessels)


def _grow(rng, hila: list, body: Body, generations: int, radius: float, spread: float):
    """Grow both lungs' trees, generation by generation."""
    width = body.size.half_width_mm
    starts, ways = [], []
    for side, hilum in zip((-1, 1), hila, strict=True):
        # Lobes: up, to the side and front, down and back, down at the heart's border.
        for direction in (
            [0.35, -0.9, 0.1],
            [0.8, -0.35, 0.5],
            [0.85, 0.35, -0.3],
            [0.55, 0.75, -0.5],
            [0.25, 0.95, -0.2],
        ):
            starts.append(hilum + rng.normal(0, spread, 3) * width)
            ways.append(np.array(direction) * (side, 1, 1) + rng.normal(0, 0.15, 3))
    start = np.array(starts)
    way = np.array(ways)
    way = _normalise(way)
    reach = np.full(len(start), 0.17 * width)
    trees = []
    for generation in range(generations):
        end = start + way * reach[:, None] * rng.uniform(0.7, 1.3, (len(start), 1))
        trees.append(Tree(np.stack([start, end], 1), radius * SHRINK**generation * 0.8))
        turn = rng.normal(0, 0.42, way.shape)
        away = end - np.array([0, end[:, 1].mean(), 0])  # outward, so that trees spread
        away = _normalise(away)
        both = [way + turn + 0.12 * away, way - turn + 0.12 * away]
        way = np.concatenate(both)
        way = _normalise(way)
        start = np.concatenate([end, end])
        reach = 0.80 * np.concatenate([reach, reach])
    return trees


def _normalise(vectors: np.ndarray) -> np.ndarray:
    x, y, z = vectors.T
    return vectors / np.sqrt(x * x + y * y + z * z)[:, None]


def draw_trees(trees: list[Tree], view: View) -> np.ndarray:
    """Return the path of each ray in trees, `(H, W)` float32 mm."""
    total = np.zeros(view.shape, "float32")
    for alike in _group(trees, view.spacing_mm):
        # Branches of all directions: where few points a pixel show in none.
        total += _draw_alike(alike, view, step_px=0.7 if len(alike) == 1 else 1.0)
    return total


def _group(trees: list[Tree], pixel_mm: float) -> list[list[Tree]]:
    """Put generations together that a film of such pixels cannot tell apart.

    Within half a pixel only the amount of blood or air counts, and within 0.8 pixels a
    radius that is a third smaller looks the same.
    """
    groups = []
    for tree in trees:
        first = groups[-1][0].radius if groups else np.inf
        near = first < 0.8 * pixel_mm and tree.radius > 0.6 * first
        if near or first < 0.5 * pixel_mm:
            groups[-1].append(tree)
        else:
            groups.append([tree])
    return groups


def _draw_alike(trees: list[Tree], view: View, step_px: float) -> np.ndarray:
    """Return the path in trees, all drawn with the radius of the first."""
    radius = trees[0].radius
    points = np.concatenate([tree.segments for tree in trees]).reshape(-1, 3)
    share = [np.full(len(one.segments), (one.radius / radius) ** 2) for one in trees]
    return tubes.draw_segments(
        points,
        np.arange(0, len(points), 2),
        radius,
        view,
        weights=np.concatenate(share),
        step_px=step_px,
    )


def draw_windpipe(airways: Airways, view: View) -> np.ndarray:
    """Return the path in trachea and main bronchi, `(H, W)` float32 mm."""
    large = tubes.draw_tubes([airways.trachea], airways.radius, view)
    return large + tubes.draw_tubes(airways.main, 0.72 * airways.radius, view)
