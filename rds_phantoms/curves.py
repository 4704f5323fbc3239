"""Smooth curves through a few points in space."""

from functools import lru_cache

import numpy as np


def bend(points: list, count: int = 24) -> np.ndarray:
    """Return a smooth curve through a few points `(N, 3)`: Catmull-Rom."""
    points = np.array(points, "float64")
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    return _weigh_knots(len(points), count) @ padded


@lru_cache
def _weigh_knots(knots: int, count: int) -> np.ndarray:
    """Return the weights of knots in a Catmull-Rom curve, `(count, knots + 2)`."""
    t = np.linspace(0, knots - 1 - 1e-9, count)
    k, s = t.astype(int), t % 1
    cubic = [
        -s + 2 * s**2 - s**3,
        2 - 5 * s**2 + 3 * s**3,
        s + 4 * s**2 - 3 * s**3,
        -(s**2) + s**3,
    ]
    weights = np.zeros((count, knots + 2))
    for shift, weight in enumerate(cubic):
        weights[np.arange(count), k + shift] = 0.5 * weight
    return weights
