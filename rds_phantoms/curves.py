"""Smooth curves through points: the outlines that phantoms are drawn of."""

from functools import lru_cache

import numpy as np

Curve = np.ndarray  # (N, 2) float64, x and y


def smooth_curve(points, *, closed: bool, steps: int = 6) -> Curve:
    """Return a centripetal Catmull-Rom curve through points (Yuksel et al., 2011).

    It has no loops or cusps between points, however unevenly they lie.

    Args:
        points: `(..., N, 2)`, one curve or several of one length.
        closed: bool, join the last point to the first.
        steps: int, samples from each point to the next.

    Returns:
        `(..., N * steps, 2)` if closed, `(..., (N - 1) * steps + 1, 2)` if open.
    """
    points = np.ascontiguousarray(points, "float64")
    plane = points.view("complex128")[..., 0]  # x + iy: one array for both axes
    first, last = plane[..., :1], plane[..., -1:]
    if closed:
        around = np.concatenate([last, plane, plane[..., :2]], axis=-1)
    else:  # the ends go on straight
        before, after = 2 * first - plane[..., 1:2], 2 * last - plane[..., -2:-1]
        around = np.concatenate([before, plane, after], axis=-1)
    # Centripetal: time between two points is the square root of their distance.
    chords = around[..., 1:] - around[..., :-1]
    lengths = np.maximum(np.sqrt(np.abs(chords)), 1e-6)
    left, right, slopes = lengths[..., :-1], lengths[..., 1:], chords / lengths
    tangents = (right * slopes[..., :-1] + left * slopes[..., 1:]) / (left + right)
    span = lengths[..., 1:-1]
    parts = np.empty((*span.shape, 4), "complex128")
    parts[..., 0], parts[..., 1] = around[..., 1:-2], around[..., 2:-1]
    parts[..., 2], parts[..., 3] = span * tangents[..., :-1], span * tangents[..., 1:]
    # One product with the basis samples all curves, which is what makes it fast.
    curve = (parts @ _hermite_basis(steps)).reshape(*plane.shape[:-1], -1)
    if not closed:
        curve = np.concatenate([curve, last], axis=-1)
    return curve.view("float64").reshape(*curve.shape, 2)


@lru_cache
def _hermite_basis(steps: int) -> np.ndarray:
    """Return the cubic Hermite basis, `(4, steps)`: two ends, two tangents."""
    t = np.arange(steps) / steps
    start = (1 + 2 * t) * (1 - t) ** 2
    basis = np.stack([start, 1 - start, t * (1 - t) ** 2, t**2 * (t - 1)])
    return basis.astype("complex128")


def ellipse(centre, radii, num_points: int = 24) -> Curve:
    """Return a closed ellipse around `centre`, `(num_points, 2)`."""
    turns = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return np.stack([np.cos(turns), np.sin(turns)], 1) * radii + centre
