"""Curves in space with a radius: bones, vessels, airways, catheters.

Points along a curve are laid down on the film, each with the length that it stands
for, and convolved with a disc: the integral of a disc is `2 sqrt(R^2 - x^2)`, the chord
of a tube, and a curve that runs along the beam gathers more points a pixel, as it
gathers more material. So a straight tube of any direction comes out exactly.
"""

from functools import lru_cache

import cv2
import numpy as np

from rds_phantoms.view import View

FINEST_PX = 0.5  # between points along a curve
SHARP_PX = 2.0  # a disc of a smaller radius is all border, and stays as blurred
LARGE_PX = 14.0  # a disc of a larger radius is drawn on a coarser grid


def lay_points(points: np.ndarray, weights: np.ndarray, shape) -> np.ndarray:
    """Share weights among the four pixels next to each point: `(H, W)` float32.

    Args:
        points: `(N, 2)` u and v in pixels; those outside are left out.
        weights: `(N,)`.
        shape: height and width of the image in pixels.
    """
    height, width = shape
    u, v = points[:, 0] - 0.5, points[:, 1] - 0.5
    # A rim of one pixel takes what lies across the border.
    inside = (u >= -1) & (u < width) & (v >= -1) & (v < height)
    if not inside.all():
        u, v, weights = u[inside], v[inside], weights[inside]
    left, upper = np.floor(u).astype("int32"), np.floor(v).astype("int32")
    across, down = u - left, v - upper
    start = (upper + 1) * (width + 2) + left + 1
    lower = weights * down
    upper = weights - lower
    index = np.concatenate([start, start + 1, start + width + 2, start + width + 3])
    share = np.concatenate(
        [upper - upper * across, upper * across, lower - lower * across, lower * across]
    )
    laid = np.bincount(index, share, (height + 2) * (width + 2))
    return laid.reshape(height + 2, width + 2)[1:-1, 1:-1].astype("float32")


@lru_cache(maxsize=4096)
def _draw_disc(radius_px: float, hollow: float) -> np.ndarray:
    """Return a disc, `(S, S)` float32, whose sum is 1."""
    reach = int(np.ceil(radius_px + 0.5)) + 1
    fine = int(np.clip(np.ceil(16 / max(radius_px, 0.25)), 6, 16))  # subpixels a side
    size = 2 * reach + 1
    square = ((np.arange(fine * size) + 0.5) / fine - reach - 0.5) ** 2
    square = square[:, None] + square
    disc = (square < radius_px**2) & (square >= (hollow * radius_px) ** 2)
    disc = disc.reshape(size, fine, size, fine).mean((1, 3), dtype="float32")
    if radius_px >= SHARP_PX:
        # Sharing a point among four pixels blurs it by a sixth of a square pixel along
        # each axis; taking a twelfth of the curvature away sharpens it by as much.
        for axis in (0, 1):
            bend = np.roll(disc, 1, axis) + np.roll(disc, -1, axis) - 2 * disc
            disc = disc - bend / 12
    return disc / max(disc.sum(), np.float32(1e-9))


def draw_disc(radius_px: float, hollow: float = 0.0) -> np.ndarray:
    """Return a disc, `(S, S)` float32, whose sum is its area in square pixels.

    Args:
        radius_px: float, radius in pixels; the border lies within a 32nd of a pixel.
        hollow: float in `[0, 1)`, radius of the hole as a share.
    """
    area = np.pi * radius_px**2 * (1 - hollow**2)
    disc = _draw_disc(max(round(16 * radius_px), 1) / 16, round(200 * hollow) / 200)
    return disc * np.float32(area)


def draw_tubes(
    curves: list[np.ndarray],
    radius_mm: float,
    view: View,
    *,
    hollow: float = 0.0,
    weights: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Return the path of each ray in tubes of one radius: `(H, W)` float32 mm.

    Args:
        curves: polylines, each `(N, 3)` body mm.
        radius_mm: float, of all of them.
        view: position before the detector.
        hollow: float in `[0, 1)`, radius of an empty lumen as a share.
        weights: for each curve, `(N,)` density along it; None for 1.
    """
    if not curves:
        return np.zeros(view.shape, "float32")
    points = np.concatenate(curves)
    last = np.cumsum([len(one) for one in curves])
    start = np.delete(np.arange(len(points)), last - 1)
    if weights is not None:
        weights = np.concatenate(weights)
        weights = (weights[start] + weights[start + 1]) / 2
    return draw_segments(points, start, radius_mm, view, hollow=hollow, weights=weights)


def draw_segments(
    points: np.ndarray,
    start: np.ndarray,
    radius_mm: float,
    view: View,
    *,
    hollow: float = 0.0,
    weights: np.ndarray | None = None,
    step_px: float = FINEST_PX,
) -> np.ndarray:
    """Return the path of each ray in straight tubes: `(H, W)` float32 mm.

    Args:
        points: `(N, 3)` body mm.
        start: `(S,)` indices of points from which a tube leads to the next.
        radius_mm: float, of all of them.
        view: position before the detector.
        hollow: float in `[0, 1)`, radius of an empty lumen as a share.
        weights: `(S,)` densities; None for 1.
        step_px: float, between the points that are laid down.
    """
    radius = radius_mm / view.spacing_mm
    if radius > LARGE_PX:  # as exact, and much faster, at half of the size
        half = draw_segments(
            points,
            start,
            radius_mm,
            view.halve(),
            hollow=hollow,
            weights=weights,
            step_px=step_px,
        )
        return view.double(half)
    drawn = np.zeros(view.shape, "float32")
    # Nearer to the focus a tube throws a larger shadow of the same path. One disc of
    # the mean size serves all, and the length of each segment sets its path right.
    larger = view.magnify((points[start] + points[start + 1]) / 2)
    middle = larger.mean()
    kernel = draw_disc(radius * middle, hollow)
    reach = len(kernel) // 2 + 1
    size = np.array(view.shape[::-1])
    places = view.to_px(points)
    # An end too far right, left, below or above, one bit each: both ends make a miss.
    far = (places < -reach) @ (1, 2) + (places > size + reach) @ (4, 8)
    near = np.flatnonzero((far[start] & far[start + 1]) == 0)
    if not near.size:
        return drawn
    start = start[near]
    x, y, z = (points[start + 1] - points[start]).T
    lengths = np.sqrt(x * x + y * y + z * z) * (larger[near] / middle)
    if weights is not None:
        lengths *= weights[near]
    begin, end = places[start], places[start + 1]
    # Only what the tubes reach is convolved, and only as far as the film shows it.
    low, high = np.minimum(begin, end).min(0), np.maximum(begin, end).max(0)
    low = np.maximum(np.floor(low).astype(int) - reach, -reach)
    high = np.minimum(np.ceil(high).astype(int) + reach, size + reach)
    laid = lay_points(
        *_spread(begin - low, end - begin, lengths, step_px), (high - low)[::-1]
    )
    # Every point adds its length wherever its disc reaches: mm of path.
    path = cv2.filter2D(laid, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    np.maximum(path, 0, out=path)  # a sharpened disc dips by a percent at its border
    (left, upper), (right, lower) = np.maximum(low, 0), np.minimum(high, size)
    drawn[upper:lower, left:right] = path[
        upper - low[1] : lower - low[1], left - low[0] : right - low[0]
    ]
    return drawn


def _spread(start, way, lengths, step_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points evenly along segments, `(S, 2)` px each, and the length of each."""
    count = np.ceil(np.hypot(way[:, 0], way[:, 1]) / step_px).astype(int)
    count = np.maximum(count, 1)
    step = way / count[:, None]
    # Points are counted through: the first of each segment lies half a step on.
    first = np.cumsum(count) - count
    start = start - step * (first - 0.5)[:, None]
    own = np.repeat(np.arange(len(count)), count)
    points = start[own] + step[own] * np.arange(len(own))[:, None]
    return points, (lengths / count)[own]


def draw_balls(points: np.ndarray, radii: np.ndarray, view: View) -> np.ndarray:
    """Return the path of each ray in balls at `(N, 3)` mm of `(N,)` mm radius."""
    drawn = np.zeros(view.shape, "float32")
    height, width = view.shape
    for (u, v), radius in zip(view.to_px(points) - 0.5, radii, strict=True):
        reach = radius / view.spacing_mm + 1
        left, right = max(int(u - reach), 0), min(int(u + reach) + 2, width)
        upper, lower = max(int(v - reach), 0), min(int(v + reach) + 2, height)
        if left >= right or upper >= lower:
            continue
        x = (np.arange(left, right, dtype="float32") - u) * view.spacing_mm
        y = (np.arange(upper, lower, dtype="float32") - v)[:, None] * view.spacing_mm
        chord = np.maximum(radius**2 - x * x - y * y, 0)
        drawn[upper:lower, left:right] += 2 * np.sqrt(chord)
    return drawn
