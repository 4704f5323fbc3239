"""Rotation: turn an image and back, and find how far an infant is turned.

`prediction` builds on it: it averages over turned copies and segments again upright,
which is the study's "rotate" post-processing.
"""

import cv2
import numpy as np
from scipy import ndimage

from rds_tf.lungs import postprocess

Box = tuple[int, int, int, int]  # top, bottom, left, right
# OpenCV 4 rounds the places that it samples to 1/32 px, OpenCV 5 does not.
IS_WARP_EXACT = int(cv2.__version__.partition(".")[0]) >= 5


def upright_angle(mask: np.ndarray) -> float:
    """Find how far the infant is turned, from the lungs alone.

    The line between the two centroids runs from side to side, and the spine stands on
    it. Of the two ends of the spine the head is where the lungs are narrower, at the
    apices. Of lungs that run together the line is the larger principal axis.

    Args:
        mask: `(H, W)` of {0, 1}.

    Returns:
        Degrees in `(-180, 180]`, counter-clockwise positive: turning the image by
        minus this angle sets the infant upright. 0 for an empty mask.
    """
    part, corner = postprocess.bounding_part(mask)
    labels, areas = postprocess.label_components(part)
    if not len(areas):
        return 0.0
    largest = np.argsort(areas)[::-1][:2]
    # A second component below a quarter of the first is no second lung.
    if len(largest) == 2 and areas[largest[1]] >= areas[largest[0]] / 4:
        first, second = (_centroid(labels == 1 + index, corner) for index in largest)
        across = second - first
    else:
        rows, columns = np.nonzero(mask)
        if len(rows) < 2:  # a point shows no direction
            return 0.0
        across = np.linalg.eigh(np.cov(columns, rows))[1][:, 1]
    across = across / np.linalg.norm(across)
    feet = np.array([-across[1], across[0]])  # a quarter turn, y down
    if _points_to_head(mask, across, feet):
        feet = -feet
    return float(np.rad2deg(np.arctan2(feet[0], feet[1])))


def _centroid(component: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Return x and y of the centroid of what is True; sums are whole, so exact."""
    moments = cv2.moments(component.view("uint8"), binaryImage=True)
    area, sums = moments["m00"], np.array([moments["m10"], moments["m01"]])
    return (sums + np.multiply(corner, area)) / area


def _points_to_head(mask: np.ndarray, across, feet) -> bool:
    """Say whether `feet` points to the narrower end of the lungs, the head.

    One pixel in 16 of a large mask decides, unless both ends are about as wide.
    """
    if max(mask.shape) > 512:
        width = _measure_ends(mask[::4, ::4], across, feet)
        if abs(width[1] - width[0]) > 0.1 * max(width):
            return width[1] < width[0]
    width = _measure_ends(mask, across, feet)
    return width[1] < width[0]


def _measure_ends(mask: np.ndarray, across, feet) -> tuple[float, float]:
    """Return how wide the lungs are at both ends of `feet`, 0 and 0 for a line.

    Percentiles in place of the extremes: a few stray pixels must not decide.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0.0, 0.0
    points = np.stack([columns, rows], 1).astype("float64")
    points -= points.mean(0)
    along, side = points @ feet, points @ across
    low, high = np.percentile(along, (1, 99))
    quarter = (high - low) / 4
    if quarter < 1:  # a line shows no direction
        return 0.0, 0.0
    return tuple(
        np.subtract(*np.percentile(side[part], (97, 3)))
        for part in (along < low + quarter, along > high - quarter)
    )


def rotate(
    image: np.ndarray,
    angle_degrees: float,
    *,
    expand: bool,
    box: Box | None = None,
) -> np.ndarray:
    """Turn an image counter-clockwise about its centre, black outside.

    Args:
        image: `(H, W)` float32 or uint8.
        angle_degrees: float.
        expand: bool, enlarge the canvas so that no corner is cut.
        box: the part of the turned canvas that is wanted, default all of it.

    Returns:
        `(H', W')`; multiples of 90 degrees are exact.
    """
    if expand and angle_degrees % 90 == 0:
        turned = np.rot90(image, round(angle_degrees / 90) % 4)
        top, bottom, left, right = box or (0, turned.shape[0], 0, turned.shape[1])
        return np.ascontiguousarray(turned[top:bottom, left:right])
    matrix, size = _rotation(image.shape, angle_degrees, expand=expand)
    if box:  # resample no more than that: move its corner to the origin
        top, bottom, left, right = box
        matrix[:, 2] -= left, top
        size = right - left, bottom - top
    return _warp(image, matrix, size, cv2.INTER_LINEAR)


def rotate_back(
    part: np.ndarray,
    angle_degrees: float,
    shape: tuple[int, int],
    box: Box | None = None,
) -> np.ndarray:
    """Undo `rotate(..., expand=True, box=box)` of an image that had `shape`, (H, W).

    `part` `(H', W')`, float32 or uint8, is what lies in `box`. The image is 0 where
    `box` does not reach.
    """
    top, bottom, left, right = box or (0, part.shape[0], 0, part.shape[1])
    if angle_degrees % 90 == 0:
        canvas = np.zeros(shape[:: -1 if angle_degrees % 180 else 1], part.dtype)
        canvas[top:bottom, left:right] = part
        return np.ascontiguousarray(np.rot90(canvas, round(-angle_degrees / 90) % 4))
    matrix, _ = _rotation(shape, angle_degrees, expand=True)
    # The pixels of the image that `part` reaches: those between its turned corners,
    # one pixel further out for the interpolation.
    corners = [(x, y, 1) for x in (left - 1, right) for y in (top - 1, bottom)]
    reached = np.array(corners) @ cv2.invertAffineTransform(matrix).T
    low = np.maximum(np.floor(reached.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(reached.max(0)).astype(int) + 1, shape[::-1])
    whole = np.zeros(shape, part.dtype)
    if (high > low).all():
        # The inverse map of one output pixel: `low` first, and the corner of `part`.
        matrix[:, 2] += matrix[:, :2] @ low - (left, top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        filled = _warp(part, matrix, tuple((high - low).tolist()), flags)
        whole[low[1] : high[1], low[0] : high[0]] = filled
    return whole


def _warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], flags: int):
    """Warp as `cv2.warpAffine` of OpenCV 5 does, by SciPy under OpenCV 4.

    So that an image has the same lungs under both: see `IS_WARP_EXACT`.
    """
    if IS_WARP_EXACT:
        return cv2.warpAffine(image, matrix, size, flags=flags)
    if not flags & cv2.WARP_INVERSE_MAP:
        matrix = cv2.invertAffineTransform(matrix)
    back = matrix[::-1, [1, 0, 2]]  # of row and column, not x and y
    found = ndimage.affine_transform(
        image.astype("float32"),
        back[:, :2],
        back[:, 2],
        output_shape=size[::-1],
        order=1,
        mode="grid-constant",
    )
    return found if image.dtype != np.uint8 else np.rint(found).astype("uint8")


def _rotation(shape, angle_degrees: float, *, expand: bool):
    """Return the 2 x 3 matrix and the size (W, H) of the turned canvas."""
    height, width = shape
    centre = ((width - 1) / 2, (height - 1) / 2)  # of pixel centres, not corners
    matrix = cv2.getRotationMatrix2D(centre, angle_degrees, 1.0)
    if not expand:
        return matrix, (width, height)
    cos, sin = np.abs(matrix[0, :2])
    size = (
        int(np.ceil(width * cos + height * sin)),
        int(np.ceil(width * sin + height * cos)),
    )
    matrix[:, 2] += (size[0] - 1) / 2 - centre[0], (size[1] - 1) / 2 - centre[1]
    return matrix, size
