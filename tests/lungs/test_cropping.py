import numpy as np
import pytest

from rds_tf.lungs import cropping, rotation


@pytest.fixture
def film():
    image = np.full((120, 160), 0.8, "float32")
    mask = np.zeros((120, 160), "uint8")
    for row in range(30, 90):
        width = 10 + (row - 30) // 4
        mask[row, 74 - width : 74] = 1
        mask[row, 86 : 86 + width] = 1
    image[mask == 1] = 0.2
    return image, mask


def test_the_whole_film_is_framed_as_it_is(film):
    window = cropping.choose_crop(*film, "whole")
    assert window.angle_degrees == 0 and window.box == (0, 120, 0, 160)


def test_the_combined_input_is_the_lungs_with_a_margin(film):
    image, mask = film
    window = cropping.choose_crop(image, mask, "combined")
    top, bottom, left, right = window.box
    assert window.angle_degrees == pytest.approx(0, abs=0.5)
    # Lungs: rows 30 to 90, columns 50 to 110; margin a tenth of 60.
    assert (top, bottom, left, right) == pytest.approx((24, 96, 44, 116), abs=2)


def test_a_turned_infant_gives_the_same_window_as_an_upright_one(film):
    image, mask = film
    upright = cropping.choose_crop(image, mask, "combined").cut(image, 64)
    turned_image = rotation.rotate(image, 70, expand=True)
    turned_mask = rotation.rotate(mask, 70, expand=True)
    turned = cropping.choose_crop(turned_image, turned_mask, "combined")
    assert np.abs(turned.cut(turned_image, 64) - upright).mean() < 0.05


@pytest.mark.parametrize("name", cropping.INPUTS)
@pytest.mark.parametrize("angle", [0, 50])
def test_a_map_of_the_window_lies_on_the_same_anatomy(film, name, angle):
    image, mask = (rotation.rotate(part, angle, expand=True) for part in film)
    window = cropping.choose_crop(image, mask, name)
    dark = window.cut(image, 64) < 0.4  # the lungs, and the black beside the film
    back = window.put_back(dark.astype("float32")) > 0.5
    assert back[mask == 1].mean() > 0.8
    assert back[(mask == 0) & (image > 0.6)].mean() < 0.1


def test_an_unknown_input_is_refused(film):
    with pytest.raises(ValueError, match="must be one of"):
        cropping.choose_crop(*film, "half")


def test_masked_input_is_the_combined_one_with_all_but_the_lungs_black():
    image = np.random.default_rng(0).random((60, 80), dtype="float32")
    mask = np.zeros((60, 80), "uint8")
    mask[20:40, 15:30] = mask[20:40, 45:60] = 1
    window, masked = cropping.cut_input(image, mask, "masked", 32)
    _, combined = cropping.cut_input(image, mask, "combined", 32)
    lungs = window.cut_mask(mask, 32)
    assert 0 < lungs.mean() < 1
    np.testing.assert_array_equal(masked[lungs == 1], combined[lungs == 1])
    assert (masked[lungs == 0] == 0).all()


def test_the_crop_box_has_its_margin_and_stays_in_the_picture():
    mask = np.zeros((100, 200), "uint8")
    mask[40:60, 0:100] = 1
    assert cropping.crop_box(mask, 0.1) == (30, 70, 0, 110)


def test_an_empty_mask_is_framed_by_the_whole_picture():
    assert cropping.crop_box(np.zeros((20, 30), "uint8")) == (0, 20, 0, 30)


@pytest.mark.parametrize("angle", [0, 30, 90])
def test_a_map_that_fades_is_whole_in_the_lungs_and_gone_where_the_crop_ends(angle):
    mask = np.zeros((400, 400), "uint8")
    mask[120:280, 100:170] = mask[120:280, 230:300] = 1
    mask = rotation.rotate(mask, angle, expand=False)
    weights = cropping.fade_outside(mask)
    assert (weights[mask > 0] == 1).all() and 0.15 < weights.mean() < 0.3
    crop = cropping.choose_crop(mask, mask, "combined")
    seen = crop.put_back(np.ones((128, 128), "float32"))
    assert weights[seen < 1].max() < 1e-6  # nothing of the crop's border is left
    # Half of the margin, 0.1 x 200 px, outside of the lungs it is half gone.
    if angle == 0:
        assert weights[200, 300 + 9] == pytest.approx(0.5, abs=0.1)


def test_without_lungs_nothing_fades():
    assert (cropping.fade_outside(np.zeros((20, 30), "uint8")) == 1).all()
