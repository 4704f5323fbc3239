"""The infant's trunk: skin, pleural cavity, diaphragm, mediastinum and heart as solids.

Levels are shares of the thoracic spine: 0 at the top of T1, 1 at the foot of T12.
Widths are shares of the chest's half width inside the ribs. Outlines of organs follow
what radiographs show (Swischuk, Imaging of the Newborn, Infant and Young Child);
each is a table of levels that is varied a little for every infant.
"""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import mediastinum, profiles
from rds_phantoms.growth import Size
from rds_phantoms.solids import Dome, Ellipsoid, Trunk


@dataclass(frozen=True)
class Body:
    """One infant in body coordinates, millimetres.

    Attributes:
        size: its sizes.
        skin: Trunk, neck to legs.
        fat: Trunk, inside of the fat under the skin.
        cavity: Trunk, both pleural cavities and what lies between them.
        mediastinum: Trunk, spine, oesophagus and vessels between the lungs.
        heart: Trunk, heart and great vessels.
        thymus: Trunk, empty in the older.
        domes: Domes, the right and the left half of the diaphragm and all below.
        head: Ellipsoid.
        level_0: float, y of the top of T1.
        bend: two, in mm, sideways bend of the spine at its upper end and its middle.
    """

    size: Size
    skin: Trunk
    fat: Trunk
    cavity: Trunk
    mediastinum: Trunk
    heart: Trunk
    thymus: Trunk
    domes: tuple[Dome, Dome]
    head: Ellipsoid
    level_0: float
    bend: list[float]

    def y(self, level: float | np.ndarray) -> float | np.ndarray:
        """Return y in mm of a level of the spine."""
        return self.level_0 + np.asarray(level) * self.size.spine_mm

    def level(self, y: np.ndarray) -> np.ndarray:
        """Return the level of the spine at y in mm."""
        return (np.asarray(y) - self.level_0) / self.size.spine_mm

    def spine_x(self, level: np.ndarray) -> np.ndarray:
        """Return x in mm of the spine at a level: a flat S."""
        return bend_at(level, self.bend)

    def back_z(self, level: np.ndarray) -> np.ndarray:
        """Return z in mm of the middle of the vertebral bodies at a level."""
        depth = self.size.half_depth_mm
        # Bodies stand forward into the chest; the neck and the loins curve forward.
        curve = np.interp(level, [-1.2, 0, 0.5, 1, 1.6], [0.3, 0.1, 0, 0.12, 0.32])
        return depth * (-0.72 + curve)

    def find_vertebrae(self) -> np.ndarray:
        """Return the middles of T1 to T12, `(12, 3)` mm."""
        level = (np.arange(12) + 0.45) / 12
        return np.stack([self.spine_x(level), self.y(level), self.back_z(level)], -1)


def bend_at(level, bend) -> np.ndarray:
    """Return the sideways bend at a level in mm."""
    level = np.asarray(level)
    return bend[0] * (0.5 - level) + bend[1] * np.cos(np.pi * np.clip(level, -0.5, 1.5))


def make_body(
    rng: np.random.Generator,
    size: Size,
    *,
    inflation: float = 0.0,
    heart_scale: float = 1.0,
    shift: float = 0.0,
) -> Body:
    """Draw the trunk of one infant.

    Args:
        rng: random generator.
        size: its sizes.
        inflation: float in units of a usual deviation between breaths: the domes lie
            lower and the chest is wider with more.
        heart_scale: float, factor on the width of the heart.
        shift: float, of heart and mediastinum to the left, in half widths of the chest.
    """
    level_0 = -0.5 * size.spine_mm
    bend = (rng.normal(0, 0.02, 2) * size.half_width_mm).tolist()
    level = np.linspace(profiles.TOP, profiles.FOOT, profiles.SECTIONS)
    pitch = (level[1] - level[0]) * size.spine_mm
    place = {"top": level_0 + profiles.TOP * size.spine_mm, "pitch": pitch}
    middle = bend_at(level, bend)
    width, depth = size.half_width_mm, size.half_depth_mm
    apex = rng.normal(0.025, 0.012)  # level of the tops of both lungs
    cavity, shape = _make_cavity(rng, size, level, middle, place, apex)
    skin, fat = _make_skin(rng, size, level, middle, place, shape)
    between = mediastinum.make_mediastinum(
        rng, size, level, middle + shift * width, place, apex
    )
    heart = mediastinum.make_heart(
        rng, size, level, middle + shift * width, place, heart_scale
    )
    thymus = mediastinum.make_thymus(rng, size, level, middle + shift * width, place)
    domes = _make_domes(rng, size, level, level_0, place, inflation)
    radius = size.head_mm / (2 * np.pi)
    head = Ellipsoid(
        np.array(
            [
                rng.normal(0, 0.12) * radius,
                level_0 - radius * rng.uniform(1.25, 1.75),
                0.1 * depth,
            ]
        ),
        radius * np.array([0.93, 1.12, 1.05]),
    )
    return Body(
        size, skin, fat, cavity, between, heart, thymus, domes, head, level_0, bend
    )


def _make_cavity(rng, size, level, middle, place, apex):
    """The inside of the ribs: a bell with a round top, open below."""
    bell = np.interp(np.log(size.weeks), np.log([28, 60, 300]), [0.83, 0.80, 0.77])
    bell += rng.normal(0, 0.05)
    shape = profiles.draw_profile(
        rng,
        level,
        [
            (-0.2, 0.50),
            (0.0, bell - 0.30),
            (0.12, bell - 0.14),
            (0.25, bell),
            (0.42, 0.93),
            (0.6, 0.985),
            (0.8, 1.0),
            (1.0, 0.97),
            (1.3, 0.92),
        ],
        vary=0.012,
        round_=0.16,
    )
    below = np.clip(1 - (level - apex) / rng.uniform(0.2, 0.3), 0, 1)
    top = 1 - below ** rng.uniform(2.0, 2.8)
    shape = np.where(level > apex, profiles.APEX + (shape - profiles.APEX) * top, 0)
    deep = profiles.draw_profile(
        rng,
        level,
        [(0.0, 0.36), (0.08, 0.5), (0.2, 0.7), (0.45, 0.95), (0.7, 1.0), (1.0, 0.95)],
        vary=0.02,
    )
    shape[level > 1.12] = 0  # the recess ends at the twelfth rib
    lean = rng.normal(0, 0.015)
    half = size.half_width_mm * shape
    depth = size.half_depth_mm * deep
    # The back is nearly straight, so that a shallow section lies further back.
    z = -0.75 * (size.half_depth_mm - depth)
    return Trunk(
        x=middle,
        z=z,
        right=half * (1 + lean),
        left=half * (1 - lean),
        depth=np.where(shape > 0, depth, 0),
        **place,
    ), shape


def _make_skin(rng, size, level, middle, place, shape):
    """Skin and the fat under it, from the neck over the belly to the thighs."""
    width, wall = size.half_width_mm, size.wall_mm
    chest = width + wall
    baby = size.newborn
    neck = (0.52 - 0.06 * baby) * chest
    belly = chest * (rng.uniform(0.98, 1.12) if baby > 0.4 else rng.uniform(0.9, 1.0))
    half = profiles.draw_profile(
        rng,
        level,
        [
            (-1.2, neck),
            (-0.25, neck),
            (-0.08, 1.05 * neck),
            (0.03, 0.92 * chest),
            (0.12, 1.06 * chest),
            (0.3, 1.03 * chest),
            (0.6, chest),
            (0.9, chest),
            (1.3, belly),
            (1.8, 0.95 * belly),
            (2.2, 0.9 * belly),
            (2.6, 0.85 * belly),
            (3.2, 0.75 * belly),
        ],
        vary=0.01,
        round_=0.13,
    )
    deep = size.half_depth_mm + 0.8 * wall
    depth = profiles.draw_profile(
        rng,
        level,
        [
            (-1.2, 0.62 * neck),
            (-0.15, 0.75 * neck),
            (0.1, 0.75 * deep),
            (0.35, 0.95 * deep),
            (0.7, deep),
            (1.2, 1.02 * deep),
            (1.8, 0.95 * deep),
            (2.6, 0.8 * deep),
            (3.2, 0.6 * deep),
        ],
        vary=0.01,
        round_=0.13,
    )
    z = -0.6 * (deep - depth)
    skin = Trunk(
        x=middle, z=z, right=half, left=half, depth=depth, refine=True, **place
    )
    fat = np.clip(rng.normal(0.28, 0.1), 0.08, 0.5) * wall
    inner = np.maximum(half - fat, 1)
    return skin, Trunk(
        x=middle,
        z=z,
        right=inner,
        left=inner,
        depth=np.maximum(depth - 0.7 * fat, 1),
        refine=True,
        **place,
    )


def _make_domes(rng, size, level, level_0, place, inflation):
    """Both halves of the diaphragm: a round top, steep at the side and at the back."""
    width, deep = size.half_width_mm, size.half_depth_mm
    tops = np.interp(
        np.log(size.weeks), np.log([28, 60, 300, 1080]), [0.56, 0.57, 0.575, 0.68]
    )
    right_top = tops + 0.042 * inflation + rng.normal(0, 0.012)
    left_top = right_top + abs(rng.normal(0.05, 0.03))
    domes = []
    for side, top in ((-1, right_top), (1, left_top)):
        height = rng.uniform(0.14, 0.25)
        # Widest towards the spine: the heart lies on it, the side falls steeply.
        middle = rng.uniform(0.34, 0.46)
        reach, back = rng.uniform(1.0, 1.06) - middle, rng.uniform(0.85, 0.97)
        x, z = side * middle * width, 0.08 * deep
        foot = top + height
        cap = Ellipsoid(
            np.array([x, level_0 + foot * size.spine_mm, z]),
            np.array([reach * width, height * size.spine_mm, back * deep]),
        )
        # Below its widest place the belly fills the chest within a vertebra or two.
        more = np.clip((level - foot) / 0.15, 0, 1)
        full = level > foot
        base = Trunk(
            x=x,
            z=z * (1 - more),
            right=np.where(full, width * (reach + 0.5 * more), 0),
            left=np.where(full, width * (reach + 0.5 * more), 0),
            depth=np.where(full, deep * (back + 0.6 * more), 0),
            **place,
        )
        domes.append(Dome(cap, base))
    return tuple(domes)
