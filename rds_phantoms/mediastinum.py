"""What lies between the lungs: spine and vessels, the heart, the thymus.

Levels and widths as of `body`; borders as a film shows them (Swischuk).
"""

import numpy as np

from rds_phantoms import profiles
from rds_phantoms.solids import Trunk


def make_mediastinum(rng, size, level, middle, place, apex):
    """What lies between the lungs from the spine to the breastbone."""
    width = size.half_width_mm
    knots = [
        (-0.1, 0.18),
        (0.1, 0.17),
        (0.2, 0.18),
        (0.3, 0.19),
        (0.5, 0.23),
        (0.8, 0.25),
        (1.1, 0.27),
    ]
    scale = 0.9 * np.exp(rng.normal(0, 0.14))
    # The round top of each lung closes towards the neck.
    closed = np.clip(1 - (level - apex) / rng.uniform(0.04, 0.07), 0, 1) ** 2.5
    right, left = (
        width * (one + (profiles.APEX - one) * closed)
        for one in (
            scale * profiles.draw_profile(rng, level, knots, vary=0.06)
            for _ in range(2)
        )
    )
    # In front of it both lungs nearly meet.
    deep = profiles.draw_profile(
        rng,
        level,
        [(-0.1, 1.0), (0.08, 0.9), (0.25, 0.7), (0.5, 0.62), (0.9, 0.62), (1.1, 0.8)],
        vary=0.05,
    )
    return Trunk(
        x=middle,
        z=-0.9 * (1 - deep) * size.half_depth_mm,
        right=right,
        left=left,
        refine=True,
        depth=deep * size.half_depth_mm,
        **place,
    )


def make_heart(rng, size, level, middle, place, heart_scale):
    """Heart and great vessels, by their borders on a film."""
    low = rng.normal(0, 0.025)  # of the whole heart, in levels
    right = profiles.draw_profile(
        rng,
        level - low,
        [
            (0.04, 0.15),
            (0.15, 0.24),
            (0.25, 0.27),
            (0.36, 0.29),
            (0.43, 0.36),
            (0.5, 0.42),
            (0.58, 0.50),
            (0.66, 0.50),
            (0.73, 0.40),
            (0.80, 0.30),
            (0.86, 0.16),
            (0.92, 0.0),
        ],
        vary=0.06,
    )
    left = profiles.draw_profile(
        rng,
        level - low,
        [
            (0.04, 0.15),
            (0.14, 0.26),
            (0.21, 0.33),
            (0.27, 0.34),
            (0.32, 0.37),
            (0.38, 0.48),
            (0.44, 0.60),
            (0.51, 0.73),
            (0.58, 0.84),
            (0.65, 0.92),
            (0.71, 0.94),
            (0.76, 0.90),
            (0.81, 0.76),
            (0.86, 0.50),
            (0.92, 0.0),
        ],
        vary=0.06,
    )
    share = (
        np.clip(rng.normal(1.06 * size.cardiothoracic, 0.05), 0.40, 0.70) * heart_scale
    )
    width = 2 * size.half_width_mm * share / (right.max() + left.max())
    depth = profiles.draw_profile(
        rng,
        level - low,
        [
            (0.04, 0.16),
            (0.2, 0.30),
            (0.35, 0.46),
            (0.5, 0.68),
            (0.65, 0.78),
            (0.78, 0.66),
            (0.88, 0.32),
            (0.92, 0.0),
        ],
        vary=0.04,
    )
    z = profiles.draw_profile(
        rng, level, [(0.0, -0.15), (0.3, 0.05), (0.6, 0.22), (0.9, 0.3)]
    )
    full = (level - low > 0.02) & (level - low < 0.92)
    right, left = (np.where(full, side * width, 0) for side in (right, left))
    return Trunk(
        x=middle,
        z=z * size.half_depth_mm,
        right=right,
        left=left,
        depth=np.where(full, depth * size.half_depth_mm, 0),
        **place,
    )


def make_thymus(rng, size, level, middle, place):
    """The thymus: wide in newborns, often a sail to the right, gone later."""
    large = rng.random() < 0.75
    much = size.newborn * (rng.uniform(0.5, 1.25) if large else rng.uniform(0, 0.3))
    sides = []
    for sail in (rng.random() < 0.3, rng.random() < 0.15):
        reach = 0.30 + 0.22 * sail
        sides.append(
            profiles.draw_profile(
                rng,
                level,
                [
                    (0.02, 0.1),
                    (0.12, 0.6 * reach),
                    (0.25, 0.9 * reach),
                    (0.36, reach),
                    (0.44, 0.75 * reach if not sail else 0.6 * reach),
                    (0.5, 0.0),
                ],
                vary=0.12,
            )
            * size.half_width_mm
            * much
        )
    depth = profiles.draw_profile(
        rng, level, [(0.02, 0.1), (0.2, 0.22), (0.38, 0.2), (0.5, 0.0)]
    )
    full = (level > 0.02) & (level < 0.5) & (much > 0.05)
    return Trunk(
        x=middle,
        z=0.55 * size.half_depth_mm,
        refine=True,
        right=np.where(full, sides[0], 0),
        left=np.where(full, sides[1], 0),
        depth=np.where(full, depth * size.half_depth_mm, 0),
        **place,
    )
