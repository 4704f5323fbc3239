"""Lung outlines: LabelMe polygons, the masks they enclose and their areas.

Coordinates are in px with the image spanning [0, width] x [0, height], so that the
pixel in row i and column j has its centre at (j + 0.5, i + 0.5).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rds_tf import errors
from rds_tf.dicom import radiograph
from rds_tf.storage import disk

MAX_BYTES = 2**26  # the image itself may be in it
MAX_POINTS = 20_000
MAX_SIDE_PX = 65_535  # of the largest image that DICOM can describe
MARGIN = 0.1  # an outline may leave the image by this proportion of its longer side


class AnnotationError(errors.InputError):
    """An annotation that cannot be used, in one sentence that names the cause."""


def read_polygons(
    path: str | Path, label: str = "lung", shape: tuple[int, int] | None = None
) -> list[np.ndarray]:
    """Read the polygons of one label from a LabelMe file.

    Args:
        path: the file.
        label: in upper or lower case; other shapes are ignored.
        shape: height and width of the image in px, where known.

    Returns:
        One float64 array (N, 2) of x, y in px for each polygon.

    Raises:
        AnnotationError: not LabelMe JSON; no such shape; a shape that is no polygon,
            has fewer than 3 points, or a point that is not finite or far outside
            the image; more than 20,000 points in all; drawn on an image of another
            size than `shape`.
    """
    path = Path(path)
    try:
        content = json.loads(disk.read_whole(path, MAX_BYTES))
        shapes = [s for s in content["shapes"] if _has_label(s, label)]
        polygons = [_read_polygon(shape) for shape in shapes]
        if not polygons:
            raise AnnotationError(f'no shape is labelled "{label}"')
        check_polygons(polygons, *_read_size(content, shape))
    except AnnotationError as error:
        raise AnnotationError(f"Cannot use {path.name}: {error}.") from error
    except OSError as error:
        raise AnnotationError(f"Cannot read {path.name}: {error.strerror}.") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as e:
        raise AnnotationError(f"{path.name} is not LabelMe JSON: {e}.") from e
    return polygons


def check_polygons(polygons: list[np.ndarray], height: float, width: float) -> None:
    """Refuse polygons that no lung in an image of this size, in px, can have.

    Raises:
        AnnotationError: more than 20,000 points in all, or one that is not finite
            or farther outside than a tenth of the image's longer side.
    """
    points = np.concatenate(polygons)
    if len(points) > MAX_POINTS:
        raise AnnotationError(f"{len(points)} points are more than {MAX_POINTS}")
    if not np.isfinite(points).all():
        raise AnnotationError("a point is not finite")
    outside = np.maximum(-points, points - [width, height]).max(axis=1)
    if outside.max() > MARGIN * max(height, width):
        x, y = points[outside.argmax()]
        raise AnnotationError(
            f"point ({x:g}, {y:g}) is far outside the {width:g} x {height:g} image"
        )


def draw_mask(polygons: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Draw polygons (N, 2) of x, y in px: each pixel whose centre one encloses.

    Returns:
        uint8 mask (height, width) of {0, 1}.

    Raises:
        AnnotationError: as in `check_polygons`.
    """
    mask = np.zeros((height, width), np.uint8)
    if polygons:
        check_polygons(polygons, height, width)
    for polygon in polygons:
        mask |= _fill(polygon, height, width)
    return mask


def polygon_area(polygons: list[np.ndarray]) -> float:
    """Sum areas in px² by the shoelace formula, overlaps counted twice."""
    area = 0.0
    for x, y in map(np.transpose, polygons):
        area += abs(0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return area


def list_warnings(polygons: list[np.ndarray], mask: np.ndarray) -> list[str]:
    """Warn if the area of polygons is not that of the mask that `draw_mask` drew.

    Both agree to half a pixel along the outline, unless a polygon crosses itself,
    overlaps another, or leaves the image.
    """
    steps = [np.hypot(*(p - np.roll(p, 1, axis=0)).T).sum() for p in polygons]
    area, num_pixels = polygon_area(polygons), int(mask.sum())
    if abs(area - num_pixels) <= 0.01 * num_pixels + 0.5 * sum(steps):
        return []
    causes = "it crosses itself, overlaps or leaves the image"
    return [f"the outline encloses {area:g} px² but draws {num_pixels}: {causes}"]


def _has_label(shape: dict[str, Any], label: str) -> bool:
    return str(shape["label"]).strip().casefold() == label.casefold()


def _read_polygon(shape: dict[str, Any]) -> np.ndarray:
    if (kind := shape.get("shape_type") or "polygon") != "polygon":
        raise AnnotationError(f"a lung is drawn as a {kind}, not as a polygon")
    polygon = np.asarray(shape["points"], np.float64).reshape(-1, 2)
    if len(polygon) < 3:
        raise AnnotationError(f"a polygon has {len(polygon)} points, fewer than 3")
    return polygon


def _read_size(
    content: dict[str, Any], shape: tuple[int, int] | None
) -> tuple[float, float]:
    """Read the height and width of the image, which some tools leave out."""
    default = shape or (MAX_SIDE_PX, MAX_SIDE_PX)
    height = float(content.get("imageHeight") or default[0])
    width = float(content.get("imageWidth") or default[1])
    if shape and (height, width) != shape:
        raise AnnotationError(
            f"it was drawn on a {width:g} x {height:g} image, "
            f"but this one is {shape[1]} x {shape[0]}"
        )
    return height, width


def _fill(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fill one polygon by the even-odd rule, row by row, at the pixel centres.

    An edge from (x0, y0) crosses the centre line of row i at
    x0 + (i + 0.5 - y0) * dx / dy.
    """
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


def read_region(folder: str | Path, case_id: str, shape: tuple[int, int]) -> np.ndarray:
    """Read the drawn tube of a case, white on black, as uint8 `shape` of {0, 1}.

    A case without a file `<case_id>.png` has no tube.

    Raises:
        InputError: the drawing is of another size than `shape`, (H, W) in px.
    """
    path = Path(folder) / f"{case_id}.png"
    if not path.is_file():
        return np.zeros(shape, "uint8")
    region = (radiograph.read_image(path) > 0.5).astype("uint8")
    if region.shape != shape:
        raise errors.InputError(f"{path} is {region.shape} px large, not {shape}.")
    return region
