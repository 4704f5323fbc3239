from dataclasses import replace

import numpy as np
import pytest

from rds_phantoms import anatomy, drawing, exposure, phantom, tissue
from rds_tf.data import annotation


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


def test_a_tube_changes_the_image_only_where_it_lies():
    without = phantom.make_phantom(8, (192, 192))
    with_tube = phantom.make_phantom(8, (192, 192), device_names=("ett",))
    tube = with_tube.device_masks["ett"].astype(bool)
    change = np.abs(with_tube.image - without.image)
    assert change[tube].mean() > 10 * change[~tube].mean()


def test_training_phantoms_are_square_and_of_the_size_asked_for():
    made = phantom.make_training_phantom(11, 96)
    assert made.image.shape == made.mask.shape == (96, 96)
    assert 0.02 < made.mask.mean() < 0.7


@pytest.mark.parametrize("name", ["severity", "age"])
def test_an_argument_out_of_range_is_refused(name):
    with pytest.raises(ValueError, match=rf"`{name}` must lie in \[0, 1\]"):
        phantom.make_phantom(0, (64, 64), **{name: 1.5})


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="must be one of"):
        phantom.make_phantom(0, (64, 64), device_names=("pacemaker",))


def test_lungs_without_the_heart_are_the_lungs_less_the_heart(upright):
    without = upright.mask_without_heart.astype(bool)
    lungs, heart = upright.mask.astype(bool), upright.heart.astype(bool)
    np.testing.assert_array_equal(without, lungs & ~heart)
    assert 0.6 * lungs.sum() < without.sum() < 0.98 * lungs.sum()


def test_the_outline_without_the_heart_encloses_the_mask_without_it(upright):
    for seed in range(12):  # in some a heart cuts a lung into two
        made = phantom.make_phantom(seed, (192, 160))
        outline = made.outline_without_heart()
        drawn = annotation.draw_mask(outline, *made.mask.shape)
        differ = (drawn != made.mask_without_heart).sum()
        assert differ < 0.01 * drawn.sum()


def test_nothing_of_the_truth_lies_outside_the_beam(monkeypatch):
    beam = np.array([(30.0, 20.0), (150.0, 35.0), (140.0, 150.0), (20.0, 140.0)])
    monkeypatch.setattr(exposure, "collimate", lambda *arguments, **options: beam)
    made = phantom.make_phantom(3, (192, 160), device_names=("leads",))
    hidden = exposure.draw_beam(beam, (192, 160)) == 0
    for truth in (made.mask, made.heart, made.device_masks["leads"]):
        assert truth.any() and not truth[hidden].any()


def test_the_heart_has_the_area_that_its_curve_encloses():
    for seed in range(10):
        made = phantom.make_phantom(seed, (128, 128))
        large = phantom.make_phantom(seed, (1024, 1024))
        assert made.heart.sum() == pytest.approx(large.heart.sum() / 64, rel=0.02)


def test_even_a_small_image_shows_every_device_in_its_mask():
    for name in ("uac", "uvc", "ngt", "ett"):
        made = phantom.make_phantom(5, (96, 96), device_names=(name,))
        assert made.device_masks[name].any()


def test_training_phantoms_lie_at_any_angle_and_are_of_any_size():
    made = [phantom.make_training_phantom(seed, 64) for seed in range(80)]
    angles = np.array([one.angle_degrees for one in made])
    assert (np.abs(angles) > 90).mean() > 0.1 and (np.abs(angles) < 20).mean() > 0.4
    sizes = [one.mask.mean() for one in made]
    assert min(sizes) < 0.06 and max(sizes) > 0.25


def test_the_recess_puts_air_below_the_lungs_and_leaves_them_as_they_were():
    chest = anatomy.make_anatomy(np.random.default_rng(0), age=0.5)
    view = drawing.View(60 * np.eye(2), np.array([96.0, 110.0]), (240, 192))
    contrast = replace(tissue.draw_contrast(np.random.default_rng(1)), recess=0.0)

    def draw(contrast):
        rng = np.random.default_rng(2)
        return tissue.draw_attenuation(rng, chest, view, 0, 0.5, contrast)

    change = draw(replace(contrast, recess=0.7)) - draw(contrast)
    lungs = drawing.fill(view, chest.lungs) == 255
    assert change.max() < 0.02  # air only takes away
    assert -change[110:].sum() > 0.9 * -change.sum()  # from mid-thorax down
    assert np.abs(change[lungs]).mean() < 0.1 * np.abs(change).max()
