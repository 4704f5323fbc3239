import numpy as np

from rds_phantoms import phantom


def test_drawn_phantoms_are_the_phantoms_of_their_seeds():
    images, masks = phantom.draw_phantoms(3, 32, seed=0)
    assert images.shape == (3, 32, 32, 1) and masks.shape == (3, 32, 32, 2)
    assert images.dtype == masks.dtype == np.uint8
    second = phantom.make_training_phantom(1_000_001, 32)
    np.testing.assert_array_equal(masks[1, ..., 0], second.mask)
    np.testing.assert_array_equal(masks[1, ..., 1], second.mask & ~second.heart)
