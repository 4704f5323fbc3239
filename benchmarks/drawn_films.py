"""Draw the phantoms that stand beside real films, for the judges of this folder.

Children are drawn at the size of a real film each, at the age of the open set (1 to 5
years), half of them with opaque lungs as there.
"""

import inspect
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
IS_NEW = "weeks" in inspect.signature(phantom.make_phantom).parameters


@dataclass(frozen=True)
class Order:
    """One child to draw: a number, the shape of the film, and opaque lungs or not."""

    index: int
    shape: tuple[int, int]
    is_opaque: bool | None = None  # None: as often as among the real children


def make(seed: int, shape, *, weeks: float, **how) -> phantom.Phantom:
    """Make a phantom of an age in weeks, by the generator of this checkout."""
    if IS_NEW:
        return phantom.make_phantom(seed, shape, weeks=weeks, **how)
    # The older generator knows 0 for a newborn, 0.5 for school age, 1 for an adult.
    how.pop("findings", None)
    age = float(np.interp(weeks, (40, 300, 1080), (0, 0.45, 1)))
    return phantom.make_phantom(seed, shape, age=age, **how)


def draw_child(order: Order) -> phantom.Phantom:
    """Draw one child; opaque lungs are pneumonia, or RDS where that is all there is."""
    rng = np.random.default_rng([FIRST_SEED, order.index])
    weeks, tilt = rng.uniform(*WEEKS), rng.normal(0, TILT_DEGREES)
    severity, is_opaque = rng.uniform(0.1, 1), rng.random() < OPAQUE
    if order.is_opaque is not None:
        is_opaque = order.is_opaque
    how = {"weeks": weeks, "angle_degrees": tilt}
    if is_opaque and IS_NEW:
        how["findings"] = ("pneumonia",)
    elif is_opaque:
        how["severity"] = severity
    return make(FIRST_SEED + order.index, order.shape, **how)
