"""The region of interest that a network sees, and the way back to the image."""

from dataclasses import dataclass

import cv2
import numpy as np

from rds_tf import errors
from rds_tf.data import preprocessing
from rds_tf.lungs import rotation

INPUTS = ("whole", "combined", "masked")
FADE_PX = 512  # longest side at which the fading of a map is computed


@dataclass(frozen=True)
class Crop:
    """A region of interest: turn the image by `-angle_degrees`, then cut out `box`.

    Attributes:
        shape: (H, W) of the image.
        angle_degrees: float, how far the infant is turned, counter-clockwise.
        box: (top, bottom, left, right) in the turned image.
    """

    shape: tuple[int, int]
    angle_degrees: float
    box: rotation.Box

    @property
    def side(self) -> int:
        """Side of the square that a network sees, in pixels of the image."""
        top, bottom, left, right = self.box
        return max(bottom - top, right - left)

    def cut(self, image: np.ndarray, size: int) -> np.ndarray:
        """Return network input `(size, size)` float32 from the image `(H, W)`."""
        part = rotation.rotate(image, -self.angle_degrees, expand=True, box=self.box)
        return preprocessing.preprocess(part, size)

    def cut_mask(self, mask: np.ndarray, size: int) -> np.ndarray:
        """Return `(size, size)` uint8 of {0, 1} from a mask `(H, W)` of the image."""
        # Turned and scaled as a float, then cut at 0.5: it stays a mask.
        part = rotation.rotate(
            mask.astype("float32"), -self.angle_degrees, expand=True, box=self.box
        )
        return (preprocessing.letterbox(part, size) > 0.5).astype("uint8")

    def put_back(self, square: np.ndarray) -> np.ndarray:
        """Lay a map `(size, size)` of the crop onto the image `(H, W)`, 0 outside."""
        top, bottom, left, right = self.box
        part = preprocessing.unletterbox(square, (bottom - top, right - left))
        return rotation.rotate_back(part, -self.angle_degrees, self.shape, self.box)


def choose_crop(
    image: np.ndarray, mask: np.ndarray | None, name: str, margin: float = 0.1
) -> Crop:
    """Choose the crop of one of `INPUTS`.

    Args:
        image: `(H, W)`.
        mask: its lungs, `(H, W)` of {0, 1}; needed for all but `"whole"`.
        name: `"whole"`, the image as it is; `"combined"` and `"masked"`, turned upright
            and cropped to the lungs with a margin.
        margin: float, left around the lungs, as a proportion of their longer side.

    Raises:
        ValueError: if `name` is not one of `INPUTS`.
    """
    if name == "whole":
        return Crop(image.shape, 0.0, (0, image.shape[0], 0, image.shape[1]))
    if name in INPUTS:
        angle = rotation.upright_angle(mask)
        # Only the mask is turned whole, to find the box; `cut` turns the box alone.
        upright = rotation.rotate(mask, -angle, expand=True)
        return Crop(image.shape, angle, crop_box(upright, margin))
    raise errors.InputError(f"`name` must be one of {INPUTS}. Received: {name!r}")


def fade_outside(mask: np.ndarray, margin: float = 0.1) -> np.ndarray:
    """Return weights for a map: 1 in the lungs, fading to 0 where their crop ends.

    A raised cosine of the distance to the lungs. A map of a crop that is multiplied by
    it shows no trace of the crop's border.

    Args:
        mask: lungs `(H, W)` of {0, 1}.
        margin: as in `choose_crop`.

    Returns:
        `(H, W)` float32 in `[0, 1]`; 1 everywhere for an empty mask, whose crop is the
        whole image.
    """
    if not mask.any():
        return np.ones(mask.shape, "float32")
    size = [
        max(1, round(side * min(1, FADE_PX / max(mask.shape)))) for side in mask.shape
    ]
    # Small, as it is smooth; any part of a lung that is left counts as lung.
    small = cv2.resize(mask * 1.0, size[::-1], interpolation=cv2.INTER_AREA) > 0
    small = small.astype("uint8")
    upright = rotation.rotate(small, -rotation.upright_angle(small), expand=True)
    rows, columns = np.flatnonzero(upright.any(1)), np.flatnonzero(upright.any(0))
    reach = margin * max(np.ptp(rows), np.ptp(columns))
    distance = cv2.distanceTransform(1 - small, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The crop's last pixel is interpolated from beyond it, and sizes are rounded: what
    # lies two pixels from its border is 0 already.
    part = np.clip(distance / max(reach - 2, 1), 0, 1)
    weights = ((1 + np.cos(np.pi * part)) / 2).astype("float32")
    return cv2.resize(weights, mask.shape[::-1])


def crop_box(mask: np.ndarray, margin: float = 0.1) -> rotation.Box:
    """Return the box around the lungs `(H, W)` of {0, 1}, margin as in `choose_crop`.

    It lies within the image, and is the whole image for an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, mask.shape[0], 0, mask.shape[1]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    extra = round(margin * max(bottom - top, right - left))
    return (
        max(0, int(top) - extra),
        min(mask.shape[0], int(bottom) + extra),
        max(0, int(left) - extra),
        min(mask.shape[1], int(right) + extra),
    )


def cut_input(
    image: np.ndarray, mask: np.ndarray | None, name: str, size: int
) -> tuple[Crop, np.ndarray]:
    """Cut out what a classifier of one of `INPUTS` sees.

    Args:
        image, mask, name: as in `choose_crop`. `"masked"` is `"combined"` with
            everything but the lungs black.
        size: int, side in pixels.

    Returns:
        The crop, and the network's input `(size, size)` float32 in `[0, 1]`.
    """
    crop = choose_crop(image, mask, name)
    square = crop.cut(image, size)
    if name == "masked":
        square = square * crop.cut_mask(mask, size)
    return crop, square
