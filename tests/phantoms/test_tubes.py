import numpy as np
import pytest

from rds_phantoms import tubes, view

SIZE, SPACING = 201, 0.4  # 80 mm a side; the middle of a pixel is that of the image


def make_view(lordosis=0.0, size=SIZE, spacing=SPACING):
    middle = np.array([size / 2, size / 2])
    return view.View(view.turn(0, lordosis, 0), middle, spacing, (size, size))


def draw(*ends, radius=2.0, where=None, **more):
    return tubes.draw_tubes(
        [np.array(ends, "float64")], radius, where or make_view(), **more
    )


def middle_of(path):
    """The path at the middle of the image."""
    return path[path.shape[0] // 2, path.shape[1] // 2]


def test_a_tube_across_the_beam_is_twice_its_radius_in_the_middle():
    assert middle_of(draw((-30, 0, 0), (30, 0, 0))) == pytest.approx(4, rel=0.01)


def test_the_path_across_a_tube_is_that_of_a_circle():
    path = draw((0, -35, 0), (0, 35, 0), radius=4.0)[SIZE // 2]
    x = (np.arange(SIZE) + 0.5 - SIZE / 2) * SPACING
    expected = 2 * np.sqrt(np.maximum(4.0**2 - x**2, 0))
    inside = np.abs(x) < 3.2
    np.testing.assert_allclose(path[inside], expected[inside], rtol=0.02)


@pytest.mark.parametrize("degrees", [0, 30, 45, 60])
def test_an_oblique_tube_is_longer_by_the_cosine_of_its_angle(degrees):
    angle = np.deg2rad(degrees)
    end = 25 * np.array([np.cos(angle), 0, np.sin(angle)])
    assert middle_of(draw(-end, end)) == pytest.approx(4 / np.cos(angle), rel=0.015)


def test_a_hollow_tube_has_two_walls():
    solid = middle_of(draw((-30, 0, 0), (30, 0, 0), radius=4.0))
    hollow = middle_of(draw((-30, 0, 0), (30, 0, 0), radius=4.0, hollow=0.75))
    assert hollow / solid == pytest.approx(0.25, rel=0.03)


@pytest.mark.parametrize("radius", [0.1, 0.5, 2.0, 7.0])
def test_paths_add_up_to_the_volume_of_a_tube(radius):
    path = draw((-20, 5, 0), (20, -5, 0), radius=radius)
    volume = np.pi * radius**2 * np.hypot(40, 10)
    assert path.sum(dtype="float64") * SPACING**2 == pytest.approx(volume, rel=0.005)


@pytest.mark.parametrize("z", [-80, 80])
def test_nearer_to_the_focus_the_shadow_is_larger_and_the_path_the_same(z):
    path = draw((-20, 0, z), (20, 0, z))
    larger = 1000 / (1000 - z)
    assert middle_of(path) == pytest.approx(4, rel=0.015)
    volume = np.pi * 2.0**2 * 40 * larger**2
    assert path.sum(dtype="float64") * SPACING**2 == pytest.approx(volume, rel=0.01)


def test_finer_pixels_see_the_same_tube():
    coarse = draw((-20, 4, 0), (20, -7, 0))
    fine = draw((-20, 4, 0), (20, -7, 0), where=make_view(size=2 * SIZE, spacing=0.2))
    fine = fine.reshape(SIZE, 2, SIZE, 2).mean((1, 3))
    assert np.abs(coarse - fine).max() < 0.06 * coarse.max()


def test_tubes_add_up_and_weights_scale_them():
    first, second = [(-30, 9, 0), (30, 9, 0)], [(-30, -9, 0), (30, -9, 0)]
    curves = [np.array(one, "float64") for one in (first, second)]
    both = tubes.draw_tubes(curves, 2.0, make_view())
    np.testing.assert_allclose(both, draw(*first) + draw(*second), atol=1e-4)
    weights = [np.array([0.5, 0.5]), np.array([2.0, 2.0])]
    weighed = tubes.draw_tubes(curves, 2.0, make_view(), weights=weights)
    np.testing.assert_allclose(
        weighed, 0.5 * draw(*first) + 2 * draw(*second), atol=1e-4
    )
    assert not tubes.draw_tubes([], 2.0, make_view()).any()


@pytest.mark.parametrize(("radius", "hollow"), [(0.3, 0), (2.5, 0), (9.0, 0.6)])
def test_a_disc_weighs_its_area(radius, hollow):
    disc = tubes.draw_disc(radius, hollow)
    expected = np.pi * radius**2 * (1 - hollow**2)
    assert disc.sum(dtype="float64") == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(disc, disc.T, atol=1e-6)
    np.testing.assert_allclose(disc, disc[::-1], atol=1e-6)


def test_a_point_keeps_its_weight_and_its_place_among_four_pixels():
    laid = tubes.lay_points(np.array([[3.25, 4.9]]), np.array([6.0]), (8, 8))
    v, u = np.mgrid[:8, :8] + 0.5
    assert (laid > 0).sum() == 4 and laid.sum() == pytest.approx(6)
    assert (laid * u).sum() / 6 == pytest.approx(3.25, abs=1e-6)
    assert (laid * v).sum() / 6 == pytest.approx(4.9, abs=1e-6)


def test_points_outside_of_the_image_leave_nothing():
    points = np.array([[-5.0, 4], [4, 30], [9, 9]])
    assert not tubes.lay_points(points, np.ones(3), (8, 8)).any()
