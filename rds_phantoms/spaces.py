"""Paths of the rays through the chest: lungs, what lies between them, diaphragm."""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import noise, solids
from rds_phantoms.body import Body
from rds_phantoms.infant import Infant
from rds_phantoms.view import Rays, View


@dataclass(frozen=True)
class Spaces:
    """Paths of each ray through the chest, `(H, W)` float32 mm, and where it passes.

    Attributes:
        lung: path in both lungs, to the foot of the recess.
        chest: path in the pleural cavities, what lies between them included.
        right: bool, right of the spine's middle.
        level: level of the spine that the ray passes.
        across: distance from the spine in half widths of the chest, left positive.
        dome: bool, the abdomen below the diaphragm takes a quarter of its way or more.
        cavity: near and far of the inside of the ribs.
        removed: near and far of what is not lung.
    """

    lung: np.ndarray
    chest: np.ndarray
    right: np.ndarray
    level: np.ndarray
    across: np.ndarray
    dome: np.ndarray
    cavity: tuple
    removed: list


def measure_spaces(body: Body, view: View, rays: Rays) -> Spaces:
    """Follow every ray through the chest."""

    def follow(solid):
        return solids.cross(solid, view, rays, inside=body.cavity)

    cavity, heart, between, thymus = (
        follow(one) for one in (body.cavity, body.heart, body.mediastinum, body.thymus)
    )
    dome = solids.hull(*(follow(one) for one in body.domes))
    x, y = rays.point[0], rays.point[1]
    level = ((y - body.level_0) / body.size.spine_mm).astype("float32")
    across = (x - body.spine_x(level)) * np.float32(1 / body.size.half_width_mm)
    right = across < 0
    removed = [between, heart, dome, thymus]
    part = view.find_part(body.cavity.make_box())
    own, *cut = [(near[part], far[part]) for near, far in (cavity, *removed)]
    lung, chest, low = np.zeros((3, *view.shape), "float32")
    lung[part] = solids.length(own, cut) * rays.stretch[part]
    chest[part] = solids.length(own, cut[:1]) * rays.stretch[part]
    low[part] = solids.length(solids.common(own, cut[2]))
    below = low > 0.25 * np.maximum(cavity[1] - cavity[0], 0)
    below &= low > 0
    return Spaces(lung, chest, right, level, across, below, cavity, removed)


class Scene:
    """What the drawing of one pair of lungs needs: one argument for all findings."""

    def __init__(self, infant: Infant, view: View, rays: Rays):
        """Follow the rays through the chest of an infant."""
        self.seed, self.body = infant.seed, infant.body
        self.airways, self.mechanics = infant.airways, infant.mechanics
        self.view, self.rays = view, rays
        self.spaces = spaces = measure_spaces(infant.body, view, rays)
        self.scale = infant.size.half_width_mm / 48  # 1 in an infant at term
        self.one_side = spaces.right if self.mechanics.side < 0 else ~spaces.right

    def noise(self, name: str, grain_mm: float) -> np.ndarray:
        """Return smooth noise of a finding, in mm of an infant at term."""
        size = self.body.size
        return noise.make_field(
            noise.make_stream(self.seed, name),
            grain_mm * self.scale,
            self.view,
            reach_mm=(1.2 * size.half_width_mm, 0.75 * size.spine_mm),  # both lungs
        )
