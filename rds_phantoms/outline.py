"""Outlines of a phantom: filled, measured, written as LabelMe files.

The true masks are drawn here, in NumPy alone, so that they are independent of code
under test that draws annotations. Coordinates are in px with the image spanning
[0, width] x [0, height]: the pixel in row i and column j has its centre at
(j + 0.5, i + 0.5).
"""

import json
from pathlib import Path

import cv2
import numpy as np

from rds_phantoms import workers


def draw_mask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Draw the union of polygons: every pixel whose centre one of them encloses.

    Args:
        polygons: arrays `(N, 2)` of x and y in px.
        height: of the mask in px.
        width: of the mask in px.

    Returns:
        `(height, width)` uint8 of {0, 1}.
    """
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        mask |= _fill(polygon, height, width)
    return mask


def _fill(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fill one polygon by the even-odd rule, row by row, at the pixel centres."""
    mask = np.zeros((height, width), np.uint8)
    start, end = polygon, np.roll(polygon, -1, axis=0)
    # An edge from y0 to y1 crosses the centres of rows ceil(y0 - 0.5) to before
    # ceil(y1 - 0.5); list every crossing, edge by edge.
    rows = np.ceil(np.sort([start[:, 1], end[:, 1]], axis=0) - 0.5)
    first, last = np.clip(rows, 0, height).astype(int)
    num_rows = last - first
    edge = np.repeat(np.arange(len(polygon)), num_rows)
    if not len(edge):
        return mask
    skipped = np.repeat(first - num_rows.cumsum() + num_rows, num_rows)
    row = np.arange(len(edge)) + skipped
    (x0, y0), (dx, dy) = start[edge].T, (end - start)[edge].T
    crossing = x0 + (row + 0.5 - y0) * dx / dy
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
    # Every crossing turns the pixels right of it from outside to inside or back.
    top, left = row.min(), column.min()
    turns = np.zeros((row.max() + 1 - top, column.max() + 1 - left), np.uint8)
    np.bitwise_xor.at(turns, (row - top, column - left), np.uint8(1))
    inside = np.bitwise_xor.accumulate(turns[:, :-1], axis=1)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask


def trace(mask: np.ndarray) -> list[np.ndarray]:
    """Return closed outlines of a mask `(H, W)` in px along the edges of its pixels.

    Specks of less than 4 px are left out.
    """
    scale = 4  # OpenCV's contour runs through pixel centres: fine pixels, fine edge
    large = np.kron(mask, np.ones((scale, scale), np.uint8))
    method = cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    contours, _ = cv2.findContours(large, *method)
    # The middle of a fine pixel lies an eighth inside of the edge: the nearest whole.
    polygons = [np.rint((contour[:, 0] + 0.5) / scale) for contour in contours]
    polygons = [one[(one != np.roll(one, 1, 0)).any(1)] for one in polygons]
    return [one for one in polygons if polygon_area([one]) >= 4]


def polygon_area(polygons: list[np.ndarray]) -> float:
    """Return the sum of the areas of polygons in px², by the shoelace formula."""
    return sum(
        abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        for x, y in (polygon.T for polygon in polygons)
    )


def write_labelme(
    path: str | Path,
    polygons: list[np.ndarray],
    height: int,
    width: int,
    image_name: str,
) -> None:
    """Write polygons as a file that LabelMe opens.

    Args:
        path: file to write.
        polygons: arrays `(N, 2)` of x and y in px, all labelled "lung".
        height: of the image in px.
        width: of the image in px.
        image_name: name of the image that was annotated.

    Raises:
        OSError: the file cannot be written.
    """
    kind = {"group_id": None, "shape_type": "polygon", "flags": {}}
    points = [np.asarray(polygon, float).tolist() for polygon in polygons]
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"label": "lung", "points": one, **kind} for one in points],
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    workers.write_file(Path(path), json.dumps(content).encode())
