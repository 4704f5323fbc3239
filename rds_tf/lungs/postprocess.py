"""From a raw mask to two clean lungs: a median filter, the two largest components.

All are pure functions of one array; `evaluate segmentation` measures what each step is
worth. The study's third step, "rotate", stands in `rotation` and `prediction`.
"""

import cv2
import numpy as np
from scipy import ndimage

MEDIAN_PROPORTION = 0.03  # side of the median filter, to the longer side of the mask


def median_filter(mask: np.ndarray) -> np.ndarray:
    """Smooth a mask's outline, `(H, W)` uint8 of {0, 1}, by a square median filter.

    The side of the square is odd, `MEDIAN_PROPORTION` of the longer side.
    """
    window_px = 2 * round(MEDIAN_PROPORTION * max(mask.shape) / 2) + 1
    return cv2.medianBlur(mask, max(3, window_px))


def keep_two_lungs(mask: np.ndarray) -> np.ndarray:
    """Keep the two largest components, `(H, W)` uint8 of {0, 1}, and fill their holes.

    A second component below a twentieth of the first is dropped as debris.
    """
    labels, areas = label_components(mask)
    if not len(areas):
        return mask
    largest = np.argsort(areas)[::-1][:2]
    kept = [1 + index for index in largest if areas[index] >= areas.max() / 20]
    return ndimage.binary_fill_holes(np.isin(labels, kept)).astype("uint8")


def lung_areas(mask: np.ndarray) -> list[int]:
    """Return the areas in px of a mask's components, largest first."""
    part, _ = bounding_part(mask)
    return sorted(label_components(part)[1].tolist(), reverse=True)


def label_components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the 4-connected components of a mask, as `ndimage.label` does.

    Return int32 labels `(H, W)`, 0 for the background, and areas in px `(N,)`.
    """
    binary = np.ascontiguousarray(mask != 0).view("uint8")
    _, labels = cv2.connectedComponents(binary, connectivity=4)
    return labels, np.bincount(labels.ravel())[1:]


def bounding_part(mask: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the smallest part of a mask that holds its lungs, and its corner x, y."""
    binary = np.ascontiguousarray(mask != 0).view("uint8")
    x, y, width, height = cv2.boundingRect(binary)
    if not width:  # OpenCV labels no array of no pixels
        return binary, (0, 0)
    return binary[y : y + height, x : x + width], (x, y)
