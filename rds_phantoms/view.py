"""Where the infant lies before the detector: from millimetres to pixels and to rays.

Body coordinates are millimetres: x to the infant's left, y to its feet, z to its front;
the origin is the middle of the chest. Film coordinates are u to the right, v down and w
towards the tube. A film is taken from the front, so that the infant's left is at the
right of an upright film.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SOURCE_MM = (
    1000.0  # focus to the middle of the infant: 1 m, European guideline EUR 16261
)
LARGE_PX = 900  # side of a film from which solids are followed on a halved one


@dataclass(frozen=True)
class View:
    """One position of infant, tube and detector.

    Attributes:
        rotation: `(3, 3)` float64, from body to film coordinates.
        centre_px: `(2,)` float64, u and v of the origin of the body in the image, in
            pixels from the corner of its first pixel.
        spacing_mm: float, side of a pixel in the plane of the origin, in mm.
        shape: height and width in pixels.
    """

    rotation: np.ndarray
    centre_px: np.ndarray
    spacing_mm: float
    shape: tuple[int, int]

    @property
    def source(self) -> np.ndarray:
        """The focus in film coordinates, `(3,)` mm: above the middle of the film."""
        middle = np.array(self.shape[::-1], "float64") / 2
        return np.array([*(middle - self.centre_px) * self.spacing_mm, SOURCE_MM])

    def magnify(self, points: np.ndarray) -> np.ndarray:
        """Return how much larger points `(N, 3)` mm are drawn than at the origin."""
        return SOURCE_MM / (SOURCE_MM - points @ self.rotation[2])

    def to_px(self, points: np.ndarray) -> np.ndarray:
        """Project points `(..., 3)` in body mm to `(..., 2)` u and v in pixels."""
        points = np.asarray(points)
        film = points.reshape(-1, 3) @ self.rotation.T
        source = self.source[:2]
        # A ray spreads from the focus: what is nearer to it is drawn larger.
        scale = SOURCE_MM / self.spacing_mm / (SOURCE_MM - film[:, 2:])
        plane = (film[:, :2] - source) * scale
        plane += source / self.spacing_mm + self.centre_px
        return plane.reshape(*points.shape[:-1], 2)

    def find_part(self, points: np.ndarray) -> tuple[slice, slice]:
        """Return the part of the image that holds points `(N, 3)` mm, or is empty."""
        corners = self.to_px(points)
        size = self.shape[::-1]
        left, upper = np.clip(np.floor(corners.min(0)), 0, size).astype(int).tolist()
        right, lower = np.clip(np.ceil(corners.max(0)), 0, size).astype(int).tolist()
        return slice(upper, lower), slice(left, right)

    def halve(self) -> "View":
        """Return the same view with pixels of twice the side; `double` undoes it."""
        shape = tuple((side + 1) // 2 for side in self.shape)
        return View(self.rotation, self.centre_px / 2, self.spacing_mm * 2, shape)

    def double(self, half: np.ndarray) -> np.ndarray:
        """Return an image of the halved view at the size of this one."""
        height, width = self.shape
        return cv2.resize(half, None, fx=2, fy=2)[:height, :width]

    def make_rays(self) -> "Rays":
        """Return one ray a pixel, through its middle."""
        height, width = self.shape
        spacing = np.float32(self.spacing_mm)
        u = (np.arange(width, dtype="float32") + 0.5 - self.centre_px[0]) * spacing
        v = (np.arange(height, dtype="float32") + 0.5 - self.centre_px[1]) * spacing
        u, v = u.astype("float32")[None], v.astype("float32")[:, None]
        source = self.source.astype("float32")
        turn = self.rotation.T.astype("float32")  # from film to body
        slope_u, slope_v = (source[0] - u) / SOURCE_MM, (source[1] - v) / SOURCE_MM
        point = [a * u + b * v for a, b, _ in turn]
        step = [a * slope_u + b * slope_v + c for a, b, c in turn]
        stretch = np.sqrt(1 + slope_u**2 + slope_v**2)
        half = self.halve().make_rays() if max(self.shape) > LARGE_PX else None
        return Rays(point, step, stretch, half)


@dataclass(frozen=True)
class Rays:
    """Rays `point + t * step` in body coordinates, t in mm across the infant.

    Attributes:
        point: x, y and z at `t = 0`, each `(H, W)` float32 mm.
        step: x, y and z of the direction, each `(H, W)` float32, for one mm of t.
        stretch: `(H, W)` float32, millimetres of the ray in one mm of t.
        half: the rays of the halved view, if the film is large.
    """

    point: list[np.ndarray]
    step: list[np.ndarray]
    stretch: np.ndarray
    half: "Rays | None" = None

    def crop(self, part: tuple[slice, slice]) -> "Rays":
        """Return the rays of a part of the image."""
        point, step = ([one[part] for one in own] for own in (self.point, self.step))
        return Rays(point, step, self.stretch[part])


def turn(angle_degrees: float, lordosis_degrees=0.0, rotation_degrees=0.0):
    """Return the `(3, 3)` rotation from body to film coordinates.

    Args:
        angle_degrees: float, turn of the infant in the film, counter-clockwise.
        lordosis_degrees: float, head end tilted towards the tube.
        rotation_degrees: float, turn about the body's own axis, left side to the tube.
    """
    a, b, c = np.deg2rad([-angle_degrees, lordosis_degrees, rotation_degrees])
    about_w = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]]
    about_y = [[np.cos(c), 0, -np.sin(c)], [0, 1, 0], [np.sin(c), 0, np.cos(c)]]
    return np.array(about_w) @ np.array(about_x) @ np.array(about_y)
