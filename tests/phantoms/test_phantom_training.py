"""Phantoms for training: any age, angle, severity, finding and device."""

import numpy as np
import pytest

from rds_phantoms import training


@pytest.fixture(scope="module")
def made():
    return [training.make_training_phantom(seed, 64) for seed in range(80)]


def test_training_phantoms_are_square_and_of_the_size_asked_for():
    one = training.make_training_phantom(11, 96)
    layers = [one.image, one.mask, one.recess, one.right, one.heart, one.ribs]
    layers += [*one.device_masks.values(), *one.finding_masks.values()]
    assert {layer.shape for layer in layers} == {(96, 96)}
    assert 0.02 < one.mask.mean() < 0.7


def test_they_lie_at_any_angle_and_are_of_any_size(made):
    angles = np.array([one.angle_degrees for one in made])
    assert (np.abs(angles) > 90).mean() > 0.1 and (np.abs(angles) < 20).mean() > 0.4
    sizes = [one.mask.mean() for one in made]
    assert min(sizes) < 0.06 and max(sizes) > 0.25


def test_they_are_of_any_age_healthy_and_ill(made):
    weeks = np.array([one.weeks for one in made])
    assert 24 <= weeks.min() < 32 and 400 < weeks.max() <= 1080
    for low, high, chance in ((24, 60, 0.45), (60, 400, 0.43), (400, 1081, 0.12)):
        part = ((weeks >= low) & (weeks < high)).mean()
        assert abs(part - chance) < 0.17  # three standard errors of 80
    ill = np.mean([one.severity > 0 for one in made])
    other = np.mean([len(one.findings) > 0 for one in made])
    assert 0.2 < ill < 0.6 and 0.2 < other < 0.6


def test_points_move_with_the_picture_that_is_laid_into_a_square():
    for seed in range(12):
        one = training.make_training_phantom(seed, 64)
        if one.device_masks.get("ett") is not None and one.device_masks["ett"].any():
            rows, columns = np.nonzero(one.device_masks["ett"])
            u, v = one.device_tips["ett"]
            if 3 < u < 61 and 3 < v < 61 and one.image[int(v), int(u)] > 0:
                assert np.hypot(columns + 0.5 - u, rows + 0.5 - v).min() < 3


def test_films_are_stretched_between_two_percentiles_of_what_is_exposed():
    image = np.zeros((40, 40), "float32")
    image[10:30, 10:30] = np.linspace(0.4, 0.6, 400).reshape(20, 20)
    stretched = training.stretch(image)
    assert stretched[10:30, 10:30].min() == 0 and stretched.max() == 1
    # Of an even ramp the middle stays in the middle: 0.5 of 0.402 to 0.598.
    assert stretched[10:30, 10:30].mean() == pytest.approx(0.5, abs=0.005)
    assert not training.stretch(np.zeros((8, 8), "float32")).any()


def test_no_phantoms_are_refused():
    with pytest.raises(ValueError, match="`num_phantoms` must be at least 1"):
        training.make_training_arrays(0, 64)
