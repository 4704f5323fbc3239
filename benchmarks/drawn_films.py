"""Draw the phantoms that stand beside real films, for the judges of this folder.

Children are drawn at the size of a real film each, at the age of the open set (1 to 5
years), half of them with opaque lungs as there.
"""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import phantom

FIRST_SEED = 77_000_000  # no phantom of a training, a cohort or a test
WEEKS = (92.0, 300.0)  # post-menstrual age of 1 to 5 years
OPAQUE = 0.54  # of the open films show pneumonia
# Of the spine on 3,165 neonatal films (MAIDA-NICU annotations): median 4.3 degrees,
# 95 % within 15. The open children lie straighter: 5 to 95 % of their lungs' axes
# within some 6 degrees about -1.6, the left lung being the smaller one.
TILT_DEGREES = 3.5


@dataclass(frozen=True)
class Order:
    """One child to draw: a number, the shape of the film, and opaque lungs or not."""

    index: int
    shape: tuple[int, int]
    is_opaque: bool | None = None  # None: as often as among the real children


def make(seed: int, shape, *, weeks: float, **how) -> phantom.Phantom:
    """Make a phantom of an age in weeks."""
    return phantom.make_phantom(seed, shape, weeks=weeks, **how)


def draw_child(order: Order) -> phantom.Phantom:
    """Draw one child; opaque lungs are pneumonia."""
    rng = np.random.default_rng([FIRST_SEED, order.index])
    weeks, tilt = rng.uniform(*WEEKS), rng.normal(0, TILT_DEGREES)
    is_opaque = rng.random() < OPAQUE
    if order.is_opaque is not None:
        is_opaque = order.is_opaque
    how = {"weeks": weeks, "angle_degrees": tilt}
    if is_opaque:
        how["findings"] = ("pneumonia",)
    return make(FIRST_SEED + order.index, order.shape, **how)
