import numpy as np
import pytest

from rds_phantoms import phantom
from rds_tf.audit import tubes

SHAPE = (240, 200)


def make(names, seed=3):
    return phantom.make_phantom(seed, SHAPE, 0.2, 0.0, names)


@pytest.mark.parametrize("seed", range(4))
def test_a_film_with_its_tube_cut_out_is_nearer_to_the_one_without(seed):
    tubed, bare = make(("ett",), seed), make((), seed)
    region = tubed.device_masks["ett"] > 0
    removed = tubes.remove(tubed.image, region)
    before = np.abs(tubed.image - bare.image)[region].mean()
    after = np.abs(removed - bare.image)[region].mean()
    assert after < 0.8 * before


def test_cutting_out_changes_nothing_far_from_the_region():
    film = make(("ett",))
    region = film.device_masks["ett"]
    removed = tubes.remove(film.image, region)
    far = tubes.widen(region, 4) == 0
    np.testing.assert_array_equal(removed[far], film.image[far])
    np.testing.assert_array_equal(
        tubes.remove(film.image, np.zeros_like(region)), film.image
    )


def test_controls_have_the_tubes_shape_and_touch_neither_it_nor_each_other():
    film = make(("ett",))
    region = film.device_masks["ett"]
    controls = tubes.move_aside(region, film.mask)
    assert len(controls) == 3
    total = region.astype(int) + sum(control.astype(int) for control in controls)
    assert total.max() == 1
    rows, columns = np.nonzero(region)
    for control in controls:
        shifted = np.nonzero(control)
        assert len(set(zip(shifted[0] - rows, shifted[1] - columns, strict=True))) == 1


def test_a_region_that_fills_the_film_has_no_control():
    full = np.ones((20, 20), "uint8")
    assert tubes.move_aside(full, full) == []


def test_a_tube_is_drawn_between_the_lungs_and_its_control_over_one():
    film = make(())
    image, region = tubes.insert(film.image, film.mask, 0)
    lungs = np.flatnonzero(film.mask.any(1))
    inside = region[lungs[0] :]
    assert inside.any() and film.mask[lungs[0] :][inside > 0].mean() < 0.5
    assert (image - film.image)[region > 0].mean() > 0.02
    np.testing.assert_array_equal(
        image[tubes.widen(region, 6) == 0], film.image[tubes.widen(region, 6) == 0]
    )
    _, aside = tubes.insert(film.image, film.mask, 0, aside=True)
    assert film.mask[lungs[0] :][aside[lungs[0] :] > 0].mean() > 0.5
