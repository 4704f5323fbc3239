import numpy as np
import pytest

from rds_phantoms import solids, view

SIZE, SPACING = 161, 0.7  # 113 mm a side; the middle of a pixel is that of the film


def make_view(angle=0.0, lordosis=0.0, rotation=0.0):
    middle = np.array([SIZE / 2, SIZE / 2])
    return view.View(
        view.turn(angle, lordosis, rotation), middle, SPACING, (SIZE, SIZE)
    )


def follow(solid, where):
    """Path of every ray in a solid, in mm."""
    rays = where.make_rays()
    return solids.length(solids.cross(solid, where, rays)) * rays.stretch


def make_sphere(radius=35.0, centre=(0, 0, 0)):
    return solids.Ellipsoid(np.array(centre, "float64"), np.full(3, radius))


def make_trunk(half_width, half_depth, *, top=-100.0, pitch=0.5, num=401, **more):
    """A trunk along y; widths are numbers or one a section."""
    wide, deep = (np.broadcast_to(one, num) for one in (half_width, half_depth))
    more = {"x": 0.0, "z": 0.0} | more
    return solids.Trunk(top, pitch, right=wide, left=wide, depth=deep, **more)


def distance_of_rays(where, centre):
    """Distance of every ray from a point: written anew, in double precision."""
    height, width = where.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    u, v = ((one - SIZE / 2) * where.spacing_mm for one in (u, v))
    along = np.stack([u, v, np.full(u.shape, -view.SOURCE_MM)], -1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    offset = where.rotation @ centre - [0, 0, view.SOURCE_MM]
    return np.linalg.norm(
        np.cross(np.broadcast_to(offset, along.shape), along), axis=-1
    )


def test_the_ray_through_the_middle_of_a_sphere_is_twice_the_radius_in_it():
    middle = follow(make_sphere(), make_view())[SIZE // 2, SIZE // 2]
    assert middle == pytest.approx(70, rel=1e-5)


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 10, -15), (90, 0, 0), (180, 0, 40)])
def test_every_chord_of_a_sphere_is_that_of_its_distance_from_the_middle(angles):
    where, centre = make_view(*angles), np.array([9.0, -6.0, 20.0])
    distance = distance_of_rays(where, centre)
    expected = 2 * np.sqrt(np.maximum(30.0**2 - distance**2, 0))
    found = follow(make_sphere(30.0, centre), where)
    inside = distance < 29.5
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-3)
    assert found[distance > 30.1].max() == 0


def test_chords_of_an_ellipsoid_add_up_to_its_volume():
    solid = solids.Ellipsoid(np.zeros(3), np.array([40.0, 25.0, 15.0]))
    where = make_view(20, 10, 10)
    found = solids.length(solids.cross(solid, where, where.make_rays()))
    # In mm of t, a slice of t mm has the area of its pixels but for the beam's spread,
    # which is less than 0.1 % on 15 mm before and behind the middle.
    volume = found.sum(dtype="float64") * SPACING**2
    assert volume == pytest.approx(4 / 3 * np.pi * 40 * 25 * 15, rel=2e-3)


@pytest.mark.parametrize("lordosis", [0, 15, -30])
def test_a_tilted_trunk_is_longer_by_the_cosine_of_its_tilt(lordosis):
    found = follow(make_trunk(30.0, 20.0), make_view(lordosis=lordosis))
    middle = found[SIZE // 2, SIZE // 2]
    assert middle == pytest.approx(40 / np.cos(np.deg2rad(lordosis)), rel=2e-3)


def test_a_trunk_turned_by_a_right_angle_shows_its_width():
    found = follow(make_trunk(30.0, 20.0), make_view(rotation=90))
    assert found[SIZE // 2, SIZE // 2] == pytest.approx(60, rel=2e-3)


@pytest.mark.parametrize("lordosis", [0, 10, 20])
def test_a_ray_that_climbs_through_a_cone_leaves_it_where_the_cone_is_wider(lordosis):
    # Half depth 20 mm at y = 0 and 0.3 mm more a mm. The ray through the origin climbs
    # by tan a: it leaves where z = 20 + 0.3 z tan a, and enters where -z is as much.
    y = np.linspace(-60, 60, 481)
    cone = make_trunk(30 + 0.3 * y, 20 + 0.3 * y, top=-60.0, pitch=0.25, num=481)
    found = follow(cone, make_view(lordosis=lordosis))
    middle = found[SIZE // 2, SIZE // 2]
    climb = 0.3 * np.tan(np.deg2rad(lordosis))
    expected = 20 / (1 - climb) + 20 / (1 + climb)
    expected /= np.cos(np.deg2rad(lordosis))
    assert middle == pytest.approx(expected, rel=4e-3)


def test_a_ball_of_sections_is_crossed_as_the_sphere():
    y = np.linspace(-40, 40, 641)
    radius = np.sqrt(np.maximum(30.0**2 - y**2, 0))
    ball = make_trunk(radius, radius, top=-40.0, pitch=0.125, num=641)
    where = make_view(15, 12, 10)
    expected = follow(make_sphere(30.0), where)
    inside = expected > 40
    np.testing.assert_allclose(follow(ball, where)[inside], expected[inside], rtol=0.01)


def test_the_two_sides_of_a_trunk_keep_their_own_widths():
    half = np.full(401, 20.0)
    solid = solids.Trunk(-100.0, 0.5, x=0, z=0, right=half, left=1.5 * half, depth=half)
    row = follow(solid, make_view())[SIZE // 2] > 0
    x = (np.flatnonzero(row) + 0.5 - SIZE / 2) * SPACING  # the left is at the right
    assert x.min() == pytest.approx(-20, abs=SPACING)
    assert x.max() == pytest.approx(30, abs=SPACING)


def test_a_trunk_is_nothing_where_its_sections_are_empty():
    full = np.abs(np.arange(401) - 200) <= 40  # 81 of half a millimetre
    found = follow(make_trunk(30.0 * full, 20.0 * full), make_view())
    rows = np.flatnonzero(found[:, SIZE // 2] > 0)
    larger = 1000 / 980  # its front lies 20 mm nearer to the focus
    expected = pytest.approx(40.5 * larger, abs=2 * SPACING)
    assert (np.ptp(rows) + 1) * SPACING == expected
    assert follow(make_trunk(np.zeros(401), 20.0), make_view()).max() < 0.01


def stretch(near, far):
    return np.array([[near]], "float32"), np.array([[far]], "float32")


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([], 10),
        ([(2, 5)], 7),
        ([(-3, 4)], 6),
        ([(2, 5), (4, 8)], 4),  # 2 to 8, once
        ([(2, 5), (7, 9)], 5),
        ([(20, 30)], 10),
        ([(6, 6)], 10),  # missed
        ([(-1, 11)], 0),
        ([(2, 8), (3, 7), (4, 6)], 4),
    ],
)
def test_what_others_take_from_a_stretch_is_taken_once(removed, expected):
    others = [stretch(*one) for one in removed]
    assert solids.length(stretch(0, 10), others).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("second", "both", "either"),
    [((4, 12), 6, 12), ((12, 14), 0, 14), ((5, 5), 0, 10), ((2, 3), 1, 10)],
)
def test_common_and_hull_of_two_stretches(second, both, either):
    pair = stretch(0, 10), stretch(*second)
    assert solids.length(solids.common(*pair)).item() == both
    assert solids.length(solids.hull(*pair)).item() == either
    assert solids.length(solids.hull(*pair[::-1])).item() == either
