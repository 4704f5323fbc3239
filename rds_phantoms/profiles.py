"""Profiles along the spine: what a trunk measures at each level.

Levels are shares of the thoracic spine: 0 at the top of T1, 1 at the foot of T12.
"""

import cv2
import numpy as np

SECTIONS = 768
APEX = 0.46  # half widths of the chest from the spine to the top of a lung
TOP, FOOT = -1.2, 3.2  # levels of a trunk's ends: chin and knees


def draw_profile(
    rng, level, knots: list, vary: float = 0.0, round_: float = 0.05
) -> np.ndarray:
    """Draw a smooth profile through `(level, value)` knots.

    Args:
        rng: random generator.
        level: `(N,)` levels of the sections.
        knots: of the profile.
        vary: float, deviation of each value as a share.
        round_: float, levels over which a moving mean rounds the knots, twice.
    """
    at, value = np.array(knots, "float64").T
    value = value * np.exp(rng.normal(0, 1, len(value)) * vary)
    profile = np.interp(level, at, value)
    span = max(3, int(round_ * SECTIONS / (FOOT - TOP)) | 1)
    profile = profile[None]
    for _ in range(2):
        profile = cv2.blur(profile, (span, 1), borderType=cv2.BORDER_REPLICATE)
    return profile[0]
