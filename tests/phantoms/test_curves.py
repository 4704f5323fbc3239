import numpy as np
import pytest

from rds_phantoms import curves


def test_a_closed_curve_passes_through_its_points():
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    curve = curves.smooth_curve(square, closed=True, steps=100)
    for corner in square:
        assert np.linalg.norm(curve - corner, axis=1).min() < 0.01


def test_an_open_curve_through_a_line_stays_on_it():
    curve = curves.smooth_curve([(0, 0), (1, 2), (2, 4)], closed=False, steps=4)
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)
    np.testing.assert_allclose(curve[[0, -1]], [(0, 0), (2, 4)], atol=1e-12)


def test_curves_drawn_together_are_the_curves_drawn_alone():
    points = np.random.default_rng(0).random((3, 5, 2))
    for closed in (True, False):
        together = curves.smooth_curve(points, closed=closed)
        alone = [curves.smooth_curve(one, closed=closed) for one in points]
        np.testing.assert_allclose(together, alone, atol=1e-12)


def test_a_closed_curve_through_a_circle_is_nearly_the_circle():
    circle = curves.ellipse((0, 0), 1, 12)
    radius = np.linalg.norm(curves.smooth_curve(circle, closed=True), axis=1)
    assert np.abs(radius - 1).max() < 0.005


def test_an_ellipse_has_the_area_of_its_ellipse():
    x, y = curves.ellipse((5, 5), (2, 3), 720).T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    assert area == pytest.approx(np.pi * 2 * 3, rel=1e-4)
