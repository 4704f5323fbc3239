import numpy as np
import pytest

from rds_tf.data import annotation
from rds_tf.phantoms import phantom


@pytest.fixture(scope="module")
def upright():
    return phantom.make_phantom(3, (192, 160), device_names=("ett", "leads"))


def test_the_same_seed_makes_the_same_pixels(upright):
    again = phantom.make_phantom(3, (192, 160), device_names=("ett", "leads"))
    np.testing.assert_array_equal(again.image, upright.image)
    np.testing.assert_array_equal(again.mask, upright.mask)


def test_another_seed_makes_another_chest(upright):
    other = phantom.make_phantom(4, (192, 160), device_names=("ett", "leads"))
    assert (other.mask != upright.mask).any()


def test_image_and_truth_keep_their_types_and_ranges(upright):
    assert upright.image.shape == upright.mask.shape == (192, 160)
    assert upright.image.dtype == np.float32 and upright.mask.dtype == np.uint8
    assert 0 <= upright.image.min() < upright.image.max() <= 1
    assert set(upright.device_masks) == {"ett", "leads"}
    assert all(mask.any() for mask in upright.device_masks.values())


def test_the_mask_is_what_the_polygons_enclose(upright):
    area = annotation.polygon_area(upright.polygons)
    assert upright.mask.sum() == pytest.approx(area, rel=0.01)


def test_air_is_darker_than_the_rest_of_the_chest(upright):
    lungs = upright.mask.astype(bool)
    left, right = np.flatnonzero(lungs.any(0))[[0, -1]]
    top, bottom = np.flatnonzero(lungs.any(1))[[0, -1]]
    chest = np.zeros_like(lungs)
    chest[top:bottom, left:right] = True
    outside = upright.image[chest & ~lungs].mean()
    assert upright.image[lungs].mean() < outside - 0.1


def test_severe_rds_takes_the_contrast_of_the_lungs():
    def contrast(severity):
        differences = []
        for seed in range(6):
            made = phantom.make_phantom(seed, (128, 128), severity)
            lungs = made.mask.astype(bool)
            inside = made.image[lungs].mean()
            differences.append(made.image[~lungs & (made.image > 0.1)].mean() - inside)
        return np.mean(differences)

    assert contrast(1.0) < 0.5 * contrast(0.0)


def test_severe_rds_lowers_the_volume_of_the_lungs():
    def height(severity):
        made = phantom.make_phantom(5, (256, 256), severity)
        rows, columns = made.mask.any(1).sum(), made.mask.any(0).sum()
        return rows / columns

    assert height(1.0) == pytest.approx(0.78 * height(0.0), rel=0.08)


def test_a_quarter_turn_exchanges_height_and_width_of_the_lungs():
    flat = phantom.make_phantom(5, (256, 256), angle_degrees=0)
    turned = phantom.make_phantom(5, (256, 256), angle_degrees=90)
    ratio = flat.mask.any(1).sum() / flat.mask.any(0).sum()
    turned_ratio = turned.mask.any(0).sum() / turned.mask.any(1).sum()
    assert turned_ratio == pytest.approx(ratio, rel=0.02)


def test_the_tube_lies_between_the_lungs_not_in_them():
    for seed in range(5):
        made = phantom.make_phantom(seed, (256, 256), device_names=("ett",))
        tube = made.device_masks["ett"].astype(bool)
        assert made.mask[tube].mean() < 0.1


def test_a_tube_changes_the_film_only_where_it_lies():
    without = phantom.make_phantom(8, (192, 192))
    with_tube = phantom.make_phantom(8, (192, 192), device_names=("ett",))
    tube = with_tube.device_masks["ett"].astype(bool)
    change = np.abs(with_tube.image - without.image)
    assert change[tube].mean() > 10 * change[~tube].mean()


def test_training_phantoms_are_square_and_of_the_size_asked_for():
    made = phantom.make_training_phantom(11, 96)
    assert made.image.shape == made.mask.shape == (96, 96)
    assert 0.02 < made.mask.mean() < 0.7


@pytest.mark.parametrize("dial", ["severity", "age"])
def test_a_dial_out_of_range_is_refused(dial):
    with pytest.raises(ValueError, match=rf"`{dial}` must lie in \[0, 1\]"):
        phantom.make_phantom(0, (64, 64), **{dial: 1.5})


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="must be one of"):
        phantom.make_phantom(0, (64, 64), device_names=("pacemaker",))
