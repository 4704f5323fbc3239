"""Profiles along the spine: what a trunk measures at each level.

Levels are shares of the thoracic spine: 0 at the top of T1, 1 at the foot of T12.
"""

import cv2
import numpy as np

SECTIONS = 768
TOP, FOOT = -1.2, 3.2  # levels of a trunk's ends: chin and knees


def draw_profile(rng, level, knots: list, vary: float = 0.0) -> np.ndarray:
    """Draw a smooth profile through `(level, value)` knots, each varied by a share."""
    at, value = np.array(knots, "float64").T
    value = value * np.exp(rng.normal(0, 1, len(value)) * vary)
    profile = np.interp(level, at, value)
    # Rounded between knots: a moving mean over a twentieth of the chest, twice.
    span = max(3, int(0.05 * SECTIONS / (FOOT - TOP)) | 1)
    profile = profile[None]
    for _ in range(2):
        profile = cv2.blur(profile, (span, 1), borderType=cv2.BORDER_REPLICATE)
    return profile[0]


def draw_dome(level, top: float, height: float, power: float = 2.0) -> np.ndarray:
    """Return a profile that opens at `top` like an ellipse, and is 1 below `height`."""
    rest = 1 - np.clip((level - top) / height, 0, 1)
    return (1 - rest**power) ** (1 / power)
