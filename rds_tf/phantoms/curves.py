"""Curves in thorax units, the material that phantoms are drawn with.

The origin lies mid-thorax on the spine, x points to the right edge of the picture (the
patient's left), y points to the feet, and 1 is half the inner width of the rib cage.
"""

import numpy as np
from scipy.interpolate import CubicSpline

Curve = np.ndarray  # (N, 2) float64, x and y


def smooth_curve(points, *, closed: bool, num_points: int = 96) -> Curve:
    """Return a cubic spline through `points`, `(num_points, 2)`."""
    points = np.asarray(points, "float64")
    if closed:
        points = np.vstack([points, points[:1]])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1) ** 0.5  # centripetal
    knots = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-6))])
    spline = CubicSpline(knots, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, knots[-1], num_points, endpoint=not closed))


def ring(centre, radii, num_points: int = 24) -> Curve:
    """Return a closed ellipse around `centre`, `(num_points, 2)`."""
    turns = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return np.stack([np.cos(turns), np.sin(turns)], 1) * radii + centre
