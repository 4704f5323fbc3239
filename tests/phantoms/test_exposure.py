import numpy as np
import pytest

from rds_phantoms import drawing, exposure
from rds_tf.data import preprocessing


def test_a_beam_is_the_whole_image_or_a_part_of_it():
    shape = (100, 80)
    beams = [exposure.collimate(np.random.default_rng(s), shape) for s in range(60)]
    whole = [(beam == [(0, 0), (80, 0), (80, 100), (0, 100)]).all() for beam in beams]
    assert 0.5 < np.mean(whole) < 0.95
    for beam in beams:
        assert beam.min() >= 0 and (beam.max(0) <= (80, 100)).all()


def test_a_beam_exposes_the_pixels_between_its_edges():
    beam = np.array([(2.0, 3.0), (8.0, 3.0), (8.0, 7.0), (2.0, 7.0)])
    frame = exposure.draw_beam(beam, (10, 10))
    expected = np.zeros((10, 10), "uint8")
    expected[3:7, 2:8] = 1
    np.testing.assert_array_equal(frame, expected)


def test_outside_the_beam_the_image_is_plain():
    rng = np.random.default_rng(0)
    exposed = rng.random((40, 40), dtype="float32")
    beam = np.array([(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)])
    for seed in range(20):  # some have no letters
        made = exposure.crop_and_label(np.random.default_rng(seed), exposed, beam)
        outside = made[exposure.draw_beam(beam, (40, 40)) == 0]
        if outside.std() == 0:
            break
    assert outside.std() == 0


@pytest.mark.parametrize("randomised", [False, True])
def test_an_image_lies_between_0_and_1(randomised):
    view = drawing.View(10 * np.eye(2), np.zeros(2), (48, 40))
    for seed in range(30):
        rng = np.random.default_rng(seed)
        attenuation = 2 * rng.random((48, 40), dtype="float32")
        exposed = exposure.expose(rng, attenuation, view, randomised=randomised)
        assert exposed.dtype == np.float32 and exposed.shape == (48, 40)
        assert 0 <= exposed.min() <= exposed.max() <= 1


def test_training_images_are_stretched_as_the_method_does():
    image = np.random.default_rng(0).gamma(2, 0.1, (40, 40)).astype("float32")
    expected = preprocessing.stretch(image)
    np.testing.assert_array_equal(exposure.stretch(image), expected)
    assert not exposure.stretch(np.zeros((3, 3), "float32")).any()
