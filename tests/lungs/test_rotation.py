import numpy as np
import pytest
from scipy import ndimage

from rds_tf.lungs import postprocess, rotation


def two_lungs(gap=20):
    """Draw two triangles, narrow at the head, side by side."""
    mask = np.zeros((200, 200), "uint8")
    for row in range(40, 140):
        width = 30 + (row - 40) // 3
        mask[row, 100 - gap // 2 - width : 100 - gap // 2] = 1
        mask[row, 100 + gap // 2 : 100 + gap // 2 + width] = 1
    return mask


def test_an_empty_mask_stays_empty():
    empty = np.zeros((20, 20), "uint8")
    assert not postprocess.keep_two_lungs(empty).any()
    assert rotation.upright_angle(empty) == 0


@pytest.mark.parametrize("angle", [0, 15, -40, 90, 135, 180, -100])
def test_the_upright_angle_is_the_angle_turned_by(angle):
    turned = rotation.rotate(two_lungs(), angle, expand=True)
    found = rotation.upright_angle(turned)
    assert (found - angle + 180) % 360 - 180 == pytest.approx(0, abs=3)


def test_merged_lungs_still_show_which_way_is_up():
    merged = rotation.rotate(two_lungs(gap=0), 30, expand=True)
    found = rotation.upright_angle(merged)
    assert found == pytest.approx(30, abs=6)


@pytest.mark.parametrize("angle", [0, 33, 90, 180, -90, 271.5])
def test_rotating_back_undoes_rotation(angle):
    image = two_lungs().astype("float32")[:, :170]
    turned = rotation.rotate(image, angle, expand=True)
    back = rotation.rotate_back(turned, angle, image.shape)
    assert back.shape == image.shape
    assert np.abs(back - image).mean() < 0.01


@pytest.mark.parametrize("angle", [0, 33, 90, -140])
def test_a_part_of_the_turned_canvas_is_what_the_whole_holds_there(angle):
    film = np.random.default_rng(0).random((70, 90), "float32")
    whole = rotation.rotate(film, angle, expand=True)
    box = 20, 61, 5, 48  # reaches beyond the film where that is turned
    part = rotation.rotate(film, angle, expand=True, box=box)
    np.testing.assert_allclose(part, whole[20:61, 5:48], atol=1e-4)
    alone = np.zeros_like(whole)
    alone[20:61, 5:48] = part
    expected = rotation.rotate_back(alone, angle, film.shape)
    back = rotation.rotate_back(part, angle, film.shape, box)
    assert back.any() and not back.all()
    np.testing.assert_allclose(back, expected, atol=1e-4)


def test_a_part_beside_the_film_leaves_nothing_on_it():
    back = rotation.rotate_back(np.ones((2, 2), "f4"), 45, (50, 50), (0, 2, 0, 2))
    assert back.shape == (50, 50) and not back.any()


def test_rotation_is_counter_clockwise():
    image = np.zeros((11, 11), "float32")
    image[5, 10] = 1  # at the right edge
    assert rotation.rotate(image, 90, expand=True)[0, 5] == 1  # goes to the top


def test_an_expanded_canvas_cuts_no_corner():
    image = np.ones((40, 60), "float32")
    turned = rotation.rotate(image, 30, expand=True)
    assert turned.sum() == pytest.approx(40 * 60, rel=0.01)


@pytest.mark.parametrize("size", [1, 2])
def test_a_speck_shows_no_direction_and_breaks_nothing(size):
    mask = np.zeros((30, 40), "uint8")
    mask[10, 10 : 10 + size] = 1
    assert np.isfinite(rotation.upright_angle(mask))


@pytest.mark.parametrize("is_warp_exact", [True, False])
def test_a_ramp_is_turned_to_within_a_hundredth_of_a_pixel(monkeypatch, is_warp_exact):
    """Bilinear interpolation of a ramp is exact; OpenCV 4 is 1/64 px off and more."""
    if is_warp_exact and not rotation.IS_WARP_EXACT:
        pytest.skip("this OpenCV rounds places to 1/32 px and is not used here")
    monkeypatch.setattr(rotation, "IS_WARP_EXACT", is_warp_exact)
    rows, columns = np.mgrid[:60, :81].astype("float64")
    turned = rotation.rotate(columns.astype("float32"), 20, expand=True)
    down, right = (
        np.indices(turned.shape) - (np.array(turned.shape)[:, None, None] - 1) / 2
    )
    cos, sin = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))
    column = cos * right - sin * down + 40  # where each pixel comes from
    row = sin * right + cos * down + 29.5
    inside = (column > 0) & (column < 80) & (row > 0) & (row < 59)
    assert inside.sum() > 4000
    np.testing.assert_allclose(turned[inside], column[inside], atol=0.01)
    back = rotation.rotate_back(turned, 20, (60, 81))
    np.testing.assert_allclose(back[15:-15, 20:-20], columns[15:-15, 20:-20], atol=0.01)


def test_both_ways_to_turn_agree_on_masks(monkeypatch):
    if not rotation.IS_WARP_EXACT:
        pytest.skip("needs OpenCV 5")
    mask = (np.random.default_rng(0).random((40, 31)) < 0.5).astype("uint8")
    one = rotation.rotate(mask, 33, expand=False)
    monkeypatch.setattr(rotation, "IS_WARP_EXACT", False)
    np.testing.assert_array_equal(rotation.rotate(mask, 33, expand=False), one)


@pytest.mark.parametrize("seed", range(3))
def test_components_and_centres_are_those_of_scipy(seed):
    mask = (np.random.default_rng(seed).random((60, 90)) < 0.55).astype("uint8")
    mask = np.pad(mask, ((7, 2), (5, 30)))  # what is empty around it is cut off
    part, corner = postprocess.bounding_part(mask)
    labels, areas = postprocess.label_components(part)
    expected, count = ndimage.label(mask)
    assert corner == (5, 7) and part.shape == (60, 90) and count > 10
    assert (labels == expected[7:-2, 5:-30]).all()
    assert areas.tolist() == np.bincount(expected.ravel())[1:].tolist()
    for index in range(1, count + 1):
        centre = ndimage.center_of_mass(mask, expected, index)[::-1]
        found = rotation._centroid(labels == index, corner)
        assert found.tolist() == list(centre)


@pytest.mark.parametrize("angle", [0, 70, 180, 250])
def test_a_large_mask_lies_as_its_small_copy_does(angle):
    small = rotation.rotate(two_lungs(), angle, expand=True)
    large = np.kron(small, np.ones((5, 5), "uint8"))
    apart = rotation.upright_angle(large) - rotation.upright_angle(small)
    assert abs((apart + 180) % 360 - 180) < 0.01


@pytest.mark.parametrize("angle", [0, 90, 180, -90, 33.3, 200])
def test_a_turned_image_comes_back_in_its_own_shape(angle):
    image = np.ones((30, 50), "float32")
    turned = rotation.rotate(image, angle, expand=True)
    back = rotation.rotate_back(turned, angle, image.shape)
    assert back.shape == image.shape
    assert back[2:-2, 2:-2] == pytest.approx(1)
