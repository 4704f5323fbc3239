"""Outlines of a phantom: filled, measured, written as LabelMe files.

The truth of a phantom is drawn here and not by the code under test that reads it.
Coordinates are in px with the image spanning [0, width] x [0, height], so that the
pixel in row i and column j has its centre at (j + 0.5, i + 0.5).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rds_phantoms import workers


def draw_mask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Draw the union of polygons: every pixel whose centre one of them encloses.

    Args:
        polygons: arrays `(N, 2)` of x and y in px.
        height, width: of the mask in px.

    Returns:
        uint8 mask `(height, width)` of {0, 1}.
    """
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        mask |= _fill(polygon, height, width)
    return mask


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
    """Write polygons as a LabelMe file that LabelMe opens.

    Args:
        path: file to write.
        polygons: arrays (N, 2) of x, y in px, all labelled "lung".
        height: height of the picture in px.
        width: width of the picture in px.
        image_name: name of the picture that was annotated.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [_labelme_shape(polygon) for polygon in polygons],
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    workers.write_file(Path(path), json.dumps(content).encode())


def _fill(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fill one polygon by the even-odd rule, row by row, at the pixel centres."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    rows = np.ceil(np.sort([start[:, 1], end[:, 1]], axis=0) - 0.5)
    first, last = np.clip(rows, 0, height).astype(int)
    num_rows = last - first  # how many rows of pixel centres each edge crosses
    edge = np.repeat(np.arange(len(polygon)), num_rows)
    row = np.arange(len(edge)) + np.repeat(
        first - num_rows.cumsum() + num_rows, num_rows
    )
    (x0, y0), (dx, dy) = start[edge].T, (end - start)[edge].T
    crossing = x0 + (row + 0.5 - y0) * dx / dy
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
    mask = np.zeros((height, width), np.uint8)
    if not len(row):
        return mask
    # Every crossing turns the pixels right of it from outside to inside or back.
    top, left = row.min(), column.min()
    turns = np.zeros((row.max() + 1 - top, column.max() + 1 - left), np.uint8)
    np.bitwise_xor.at(turns, (row - top, column - left), np.uint8(1))
    inside = np.bitwise_xor.accumulate(turns[:, :-1], axis=1)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return mask


def _labelme_shape(polygon: np.ndarray) -> dict[str, Any]:
    return {
        "label": "lung",
        "points": np.asarray(polygon, float).tolist(),
        "group_id": None,
        "shape_type": "polygon",
        "flags": {},
    }
