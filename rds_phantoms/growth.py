"""Sizes of an infant by age: from 24 weeks of gestation to the adult.

Age is post-menstrual: weeks of gestation up to birth at 40, then 52 a year more.
Between rows, sizes are linear in the logarithm of age.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

YOUNGEST, OLDEST = 24.0, 1080.0  # weeks: 24 weeks of gestation, 20 years
TERM = 40.0

# Chest and head circumference at birth: Fenton and Kim, BMC Pediatr 2013 (head);
# chest about 2 cm less than the head at term and 3 cm less before. Later: WHO Child
# Growth Standards and CDC charts. Spine: height of T1 to T12 by Dimeglio and Canavese,
# J Child Orthop 2012 (11 cm at birth, 18 cm at 5 years, 22 at 10, 27.5 grown), before
# term in proportion to length. Width to depth: round in the newborn, flat in the adult
# (Openshaw, Edwards and Helms, Thorax 1984). Slope of the ribs: the same source.
# Bone mineral: as a share of the adult's (Rauch and Schoenau, 2001).
ROWS = {
    "weeks": [24, 28, 32, 36, 40, 52, 92, 300, 560, 1080],
    "chest_mm": [190, 224, 258, 292, 324, 395, 465, 560, 680, 920],
    "head_mm": [220, 255, 292, 325, 347, 400, 465, 510, 530, 560],
    "spine_mm": [67, 80, 91, 102, 112, 122, 142, 182, 220, 275],
    "width_to_depth": [1.12, 1.13, 1.15, 1.17, 1.19, 1.22, 1.27, 1.36, 1.40, 1.42],
    "wall_mm": [4.6, 5.8, 7.0, 8.4, 10, 11.5, 12, 13, 16, 24],
    "rib_slope_degrees": [17, 18, 19, 20, 21, 23, 25, 29, 31, 33],
    "cardiothoracic": [0.53, 0.53, 0.53, 0.53, 0.53, 0.52, 0.52, 0.48, 0.45, 0.45],
    "mineral": [0.42, 0.46, 0.50, 0.55, 0.60, 0.60, 0.66, 0.78, 0.88, 1.0],
}


@dataclass(frozen=True)
class Size:
    """What one infant measures.

    Attributes:
        weeks: float, post-menstrual age.
        chest_mm: float, circumference at the nipples.
        head_mm: float, circumference.
        spine_mm: float, from the top of the first thoracic vertebra to the foot of
            the twelfth.
        width_to_depth: float, of the chest from outside.
        wall_mm: float, from skin to pleura at the side of the chest.
        rib_slope_degrees: float, below the horizontal.
        cardiothoracic: float, width of the heart to that of the chest inside.
        mineral: float, density of bone as a share of the adult's.
    """

    weeks: float
    chest_mm: float
    head_mm: float
    spine_mm: float
    width_to_depth: float
    wall_mm: float
    rib_slope_degrees: float
    cardiothoracic: float
    mineral: float

    @property
    def vertebra_mm(self) -> float:
        """Height of one thoracic vertebra with its disc."""
        return self.spine_mm / 12

    @cached_property
    def half_width_mm(self) -> float:
        """Half width of the chest inside the ribs."""
        ratio = 1 / self.width_to_depth
        # Circumference of an ellipse by Ramanujan's first formula.
        around = np.pi * (3 * (1 + ratio) - np.sqrt((3 + ratio) * (1 + 3 * ratio)))
        return float(self.chest_mm / around - self.wall_mm)

    @cached_property
    def half_depth_mm(self) -> float:
        """Half depth of the chest inside the ribs."""
        outer = (self.half_width_mm + self.wall_mm) / self.width_to_depth
        return outer - 0.8 * self.wall_mm

    @cached_property
    def newborn(self) -> float:
        """1 up to term, falling to 0 at some five years."""
        return float(np.interp(np.log(self.weeks), np.log([TERM, 300]), [1, 0]))


def draw_size(rng: np.random.Generator, weeks: float) -> Size:
    """Draw one infant of an age: every size varies by some 6 % around its mean."""
    if not YOUNGEST <= weeks <= OLDEST:
        raise ValueError(
            f"`weeks` must lie in [{YOUNGEST:g}, {OLDEST:g}]. Received: {weeks}"
        )
    known = np.log(ROWS["weeks"])
    mean = {
        name: float(np.interp(np.log(weeks), known, row))
        for name, row in ROWS.items()
        if name != "weeks"
    }
    whole = np.exp(rng.normal(0, 0.05))  # a large infant is large in all
    varied = {name: value * np.exp(rng.normal(0, 0.06)) for name, value in mean.items()}
    for name in ("chest_mm", "head_mm", "spine_mm"):
        varied[name] = mean[name] * whole * np.exp(rng.normal(0, 0.035))
    varied["width_to_depth"] = mean["width_to_depth"] * np.exp(rng.normal(0, 0.03))
    varied["wall_mm"] = mean["wall_mm"] * np.exp(rng.normal(0, 0.2))
    varied["rib_slope_degrees"] = mean["rib_slope_degrees"] + rng.normal(0, 4)
    # Plain floats, so that images of float32 stay float32.
    return Size(weeks, **{name: float(value) for name, value in varied.items()})
