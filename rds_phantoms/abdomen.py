"""Gas below the diaphragm: the stomach's bubble and loops of bowel.

A newborn swallows air with its first breaths; within a day gas fills stomach and bowel
(Swischuk). Older patients show the stomach's bubble and a bend of the colon.
"""

import numpy as np

from rds_phantoms import tubes
from rds_phantoms.body import Body
from rds_phantoms.view import View


def draw_gas(rng: np.random.Generator, body: Body, view: View) -> np.ndarray:
    """Return the path of each ray in gas of the belly, `(H, W)` float32 mm."""
    size = body.size
    width, depth = size.half_width_mm, size.half_depth_mm
    left_top = float(body.level(body.domes[1].top))
    points, radii = [], []
    if rng.random() < 0.75:  # the stomach: overlapping balls make its bean
        large = rng.uniform(0.10, 0.24)
        for step in np.linspace(0, 1, 4):
            points.append(
                [
                    (0.55 - 0.35 * step) * width,
                    body.y(left_top + 0.09 + large * 0.5 + 0.07 * step),
                    0.25 * depth,
                ]
            )
            radii.append(large * width * (1 - 0.35 * step))
    full = rng.random() < 0.35 + 0.4 * size.newborn
    count = int(rng.integers(8, 30)) if full else int(rng.integers(0, 4))
    at = np.stack(
        [
            rng.uniform(-0.75, 0.8, count) * width,
            body.y(rng.uniform(left_top + 0.28, 1.9, count)),
            rng.uniform(-0.2, 0.6, count) * depth,
        ],
        -1,
    )
    loops = rng.uniform(0.05, 0.15, count) * width
    # A loop is a row of balls.
    way = rng.normal(0, 1, (count, 3)) * (1, 0.6, 0.3)
    for step in (0.0, 0.8, 1.6):
        points.extend(at + way * (step * loops)[:, None])
        radii.extend(loops)
    if not points:
        return np.zeros(view.shape, "float32")
    gas = tubes.draw_balls(np.array(points), np.array(radii), view)
    # Balls of a loop overlap: a path is no longer than the loop is thick.
    return np.minimum(gas, 0.22 * width) * np.float32(0.8)
