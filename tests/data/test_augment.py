import errno
import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rds_tf.data import augment, pipeline
from rds_tf.dicom import radiograph
from rds_tf.storage import disk


@pytest.fixture
def batch():
    images = np.zeros((8, 32, 32, 1), "uint8")
    images[:, 8:24, 4:14] = 204
    return images, (images > 128).astype("uint8")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def move(batch, seed):
    """Draw a matrix from the seed; move the first film and its mask by it."""
    rng = np.random.default_rng(seed)
    matrix = augment.draw_matrix(rng, 32, augment.ANY_ANGLE)
    image, mask = (part[0, ..., 0] for part in batch)
    return augment.move(image, matrix), augment.move(mask, matrix, cv2.INTER_NEAREST)


@pytest.mark.parametrize("seed", range(5))
def test_image_and_mask_move_together(batch, seed):
    image, mask = move(batch, seed)
    assert mask.any()
    # By hand: where the nearest pixel is inside a rectangle of 204, at least a quarter
    # of the weights is (at a corner), and where it is not, at most a half.
    assert image[mask == 1].min() >= 50 and image[mask == 0].max() <= 103


@pytest.mark.parametrize("seed", range(20))
def test_a_turned_mask_keeps_its_area_but_for_scale(batch, seed):
    _, mask = move(batch, seed)
    assert mask.sum() / 160 < 1.4**2 * 1.1  # may leave the frame, cannot grow more


def test_a_matrix_of_no_change_leaves_all_as_it_was(batch):
    still = augment.Geometry(1.0, 0.0, (1.0, 1.0))
    matrices = [
        augment.draw_matrix(np.random.default_rng(seed), 32, still)
        for seed in range(40)
    ]
    kept = [matrix for matrix in matrices if matrix[0, 0] > 0]
    assert 10 < len(kept) < 30  # the others are mirrored
    for matrix in kept:
        np.testing.assert_allclose(matrix[:, :2], np.eye(2), atol=1e-12)
        assert np.abs(matrix[:, 2]).max() <= 0.08 * 32
    moved = augment.move(batch[0][0], np.eye(2, 3))
    np.testing.assert_array_equal(moved, batch[0][0, ..., 0])


def test_a_stretch_changes_height_against_width_and_no_area():
    shape = augment.Geometry(1.0, 0.0, (1.0, 1.0), stretch=1.25, shift=0.0)
    ratios = []
    for seed in range(200):
        matrix = augment.draw_matrix(np.random.default_rng(seed), 32, shape)
        (a, b, right), (c, d, down) = matrix
        assert b == c == 0 and abs(a) * d == pytest.approx(1)
        # The middle of the film, 15.5, stays where it is.
        np.testing.assert_allclose(matrix @ [15.5, 15.5, 1], 15.5)
        ratios.append(abs(a) / d)  # of the height to the width
    assert 0.8 <= min(ratios) < 0.82 and 1.22 < max(ratios) <= 1.25


def test_film_is_stretched_along_its_own_height_before_it_is_turned():
    turned = augment.Geometry(1.0, 90.0, (1.0, 1.0), stretch=1.25, shift=0.0)
    for seed in range(20):
        matrix = augment.draw_matrix(np.random.default_rng(seed), 32, turned)
        # To the film from where it is shown: first turned, so that the rows, which
        # look up the film's x and y, stay at right angles.
        assert np.dot(*matrix[:, :2]) == pytest.approx(0, abs=1e-12)


def test_several_masks_move_each_for_itself(batch):
    images, masks = batch
    both = np.concatenate([masks, 1 - masks], -1)
    _, alone = augment.vary_batch(images, masks, 3)
    _, together = augment.vary_batch(images, both, 3)
    np.testing.assert_array_equal(together[..., :1], alone)
    assert (together.sum(-1) == 0).any()  # where the film has left the frame


def test_the_same_seed_gives_the_same_batch_and_another_seed_another(batch):
    first, again, other = (augment.vary_batch(*batch, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_films_of_a_batch_get_draws_of_their_own(batch):
    images, _ = augment.vary_batch(*batch, 3)
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize("seed", range(5))
def test_intensity_stays_in_range_and_changes_the_film(batch, seed):
    film = batch[0][0, ..., 0]
    varied = augment.vary_intensity(film, np.random.default_rng(seed))
    assert varied.dtype == np.float32 and varied.shape == film.shape
    assert varied.min() >= 0 and varied.max() <= 1
    assert np.abs(varied - film / 255).mean() > 0.01


def test_a_rectangle_covers_three_of_ten_films():
    grey = np.full((64, 64), 128, "uint8")
    films = [
        augment.vary_intensity(grey, np.random.default_rng(seed)) for seed in range(400)
    ]
    # Grain of 0.06 leaves no row of four equal pixels, a rectangle does.
    covered = [(np.diff(film, axis=1) == 0).any() for film in films]
    clipped = [film.min() == 0 or film.max() == 1 for film in films]
    share = np.mean([c for c, cut in zip(covered, clipped, strict=True) if not cut])
    assert 0.22 < share < 0.38  # 400 draws, standard error 0.023


def test_a_grey_table_never_falls_and_keeps_black_and_white(rng):
    tables = np.stack([augment.draw_grey_table(rng) for _ in range(100)])
    assert (np.diff(tables.astype(int), axis=1) >= 0).all()
    assert (tables[:, 0] == 0).all() and (tables[:, 255] == 255).all()
    middle = tables[:, 128]
    assert middle.min() < 90 and middle.max() > 166  # both dark and bright ones


def test_a_blur_spreads_a_point_and_keeps_its_light(rng):
    point = np.zeros((31, 31), "uint8")
    point[15, 15] = 200
    blurred = augment.blur(point, np.random.default_rng(0))  # sigma of 1.06 px
    assert 0 < blurred[15, 15] < 200 and blurred[15, 16] > 0
    assert blurred.sum() == pytest.approx(200, rel=0.1)  # rounding of a few pixels
    flat = np.full((9, 9), 77, "uint8")
    np.testing.assert_array_equal(augment.blur(flat, rng), flat)


def test_grain_leaves_the_mean_and_is_no_stronger_than_it_says(rng):
    flat = np.full((64, 64), 128, "uint8")
    films = np.stack([augment.add_grain(flat, rng) for _ in range(60)]).astype(float)
    assert films.mean() == pytest.approx(128, abs=0.5)
    deviations = films.std(axis=(1, 2))
    assert 5 < deviations.max() < 13.5  # 0.05 of 255 is 12.75
    strong = films[deviations > 2]
    neighbours = [
        np.corrcoef(one[:, 1:].ravel(), one[:, :-1].ravel())[0, 1] for one in strong
    ]
    assert min(neighbours) < 0.1 and max(neighbours) > 0.4  # of 1 px, and coarse


@pytest.fixture
def soft_films(rng):
    """Two films of middle greys: no mixture of them is clipped."""
    return rng.integers(90, 140, (2, 32, 32, 1)).astype("uint8")


def test_a_film_with_its_own_amplitudes_is_itself(soft_films):
    own, other = augment.measure_amplitudes(soft_films, 0.1)
    film = soft_films[0, ..., 0]
    np.testing.assert_array_equal(augment.mix_amplitudes(film, own), film)
    np.testing.assert_array_equal(augment.mix_amplitudes(film, other, 0.0), film)


def test_only_low_frequencies_take_the_amplitude_and_none_the_phase(soft_films):
    amplitudes = augment.measure_amplitudes(soft_films, 0.1)
    assert amplitudes.shape == (2, 7, 4)  # 3 of 32 px in each direction
    film, style = soft_films[..., 0]
    mixed = augment.mix_amplitudes(film, amplitudes[1])
    before, lent, after = (np.fft.fft2(one / 255) for one in (film, style, mixed))
    frequency = np.abs(np.fft.fftfreq(32, 1 / 32))
    low = (frequency[:, None] <= 3) & (frequency <= 3)
    tolerance = 0.4  # of rounding to 256 greys: 5 deviations of 32 * 0.29 / 255
    expected = np.where(low, np.abs(lent), np.abs(before)) * np.exp(
        1j * np.angle(before)
    )
    assert np.abs(after - expected).max() < tolerance
    assert np.abs(after - before)[low].max() > 2 * tolerance


def test_a_plain_film_takes_the_grey_of_a_plain_style():
    dark, bright = np.full((2, 8, 8, 1), [[[[60]]], [[[180]]]], "uint8")
    (amplitude,) = augment.measure_amplitudes(bright[None])
    assert (augment.mix_amplitudes(dark[..., 0], amplitude) == 180).all()
    assert (augment.mix_amplitudes(dark[..., 0], amplitude, 0.5) == 120).all()


def test_look_is_changed_in_the_proportion_that_was_asked_for(soft_films):
    film = soft_films[0, ..., 0]
    never = augment.Look(0, 0, 0, 1)  # styled always, but by no film
    bright = augment.measure_amplitudes(soft_films[1:] + 100)
    always = augment.Look(0, 0, 0, 1, bright)
    for seed in range(5):
        generators = [np.random.default_rng(seed) for _ in range(2)]
        same = augment.vary_look(film, generators[0], never)
        np.testing.assert_array_equal(same, film)
        assert (augment.vary_look(film, generators[1], always) != film).any()
    half, rng = augment.Look(0.5, 0, 0, 0), np.random.default_rng(0)
    changed = [(augment.vary_look(film, rng, half) != film).any() for _ in range(400)]
    assert 0.42 < np.mean(changed) < 0.58  # standard error 0.025


def test_a_batch_gets_the_look_and_repeats_with_it(batch):
    plain = augment.vary_batch(*batch, 3)[0]
    first, again = (
        augment.vary_batch(*batch, 3, look=augment.Look())[0] for _ in range(2)
    )
    assert (first != plain).any()
    np.testing.assert_array_equal(first, again)


def test_training_batches_repeat_from_run_to_run():
    images = np.random.default_rng(0).integers(0, 255, (20, 16, 16, 1), "uint8")
    masks = (images > 128).astype("uint8")

    def first():
        dataset = pipeline.segmentation_dataset(images, masks, 4, training=True)
        return next(iter(dataset))

    for one, two in zip(first(), first(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_validation_batches_are_the_data_itself():
    images = np.arange(5, dtype="uint8").reshape(5, 1, 1, 1) * 51
    dataset = pipeline.classification_dataset(
        images, [0, 1, 0, 1, 1], 2, training=False
    )
    read = np.concatenate([x.numpy().ravel() for x, _ in dataset])
    np.testing.assert_allclose(read, [0, 0.2, 0.4, 0.6, 0.8], atol=1e-6)


def test_training_draws_both_classes_equally_often():
    labels = np.array([1] * 2 + [0] * 38)
    images = np.zeros((40, 8, 8, 1), "uint8")
    dataset = pipeline.classification_dataset(images, labels, 50, training=True)
    drawn = np.concatenate([y.numpy().ravel() for _, y in dataset.take(8)])
    assert 0.4 < drawn.mean() < 0.6  # 400 draws, standard error 0.025


def test_each_film_comes_with_its_own_target_of_several_numbers():
    grades = np.array([0, 1, 2, 3, 4, 0])
    targets = (grades[:, None] > range(4)).astype(int)
    images = np.repeat(40 * grades, 64).reshape(-1, 8, 8, 1).astype("uint8")
    labels = grades > 0
    still = augment.Geometry(0, 0, (1.0, 1.0), shift=0.0)
    data = {"labels": labels, "batch_size": 50, "targets": targets}
    dataset = pipeline.classification_dataset(
        images, training=True, geometry=still, look=augment.Look(), **data
    )
    drawn, known = next(iter(dataset))
    assert known.shape == (50, 4) and drawn.shape == (50, 8, 8, 1)
    grade = known.numpy().sum(1)
    assert 15 < (grade > 0).sum() < 35  # by the label, both equally often
    greys = [np.median(drawn.numpy()[grade == one]) for one in range(5)]
    assert (np.diff(greys) > 0).all()
    plain = pipeline.classification_dataset(images, training=False, **data)
    np.testing.assert_array_equal(next(iter(plain))[1], targets)


def test_one_class_alone_cannot_be_trained_on():
    with pytest.raises(ValueError, match="both classes"):
        pipeline.classification_dataset(
            np.zeros((3, 8, 8, 1), "uint8"), [1, 1, 1], 2, training=True
        )


def test_training_holds_no_second_copy_of_its_films():
    images = np.zeros((6, 8, 8, 1), "uint8")
    dataset = pipeline.segmentation_dataset(images, images, 3, training=False)
    images[:] = 255  # seen, for the dataset reads the array itself
    assert all((x.numpy() == 1).all() for x, _ in dataset)


@pytest.mark.parametrize("training", [True, False])
def test_no_batches_have_the_thread_of_tf_data_that_their_end_would_wait_for(training):
    films, masks = np.zeros((2, 4, 8, 8, 1), "uint8")
    for batches in (
        pipeline.segmentation_dataset(films, masks, 2, training=training),
        pipeline.classification_dataset(films, [0, 1, 0, 1], 2, training=training),
    ):
        assert batches.options().autotune.enabled is False


def test_a_training_batch_goes_through_all_films_before_one_comes_twice():
    images = np.arange(12, dtype="uint8").reshape(12, 1, 1, 1)
    batches = tf.data.Dataset.range(12).shuffle(12, seed=0).batch(4)
    drawn = [found.numpy() for _, found in pipeline._stream(batches, images, images)]
    assert sorted(np.concatenate(drawn).ravel()) == list(range(12))


def test_films_beyond_the_limit_lie_on_disk_and_are_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for index in range(3):
        film = rng.random((20, 30), dtype="float32")
        radiograph.write_png(tmp_path / f"{index}.png", film)
        radiograph.write_png(tmp_path / f"m{index}.png", (film > 0.5).astype("float32"))
    names = [(f"{index}.png", f"m{index}.png" * (index > 0)) for index in range(3)]
    table = pd.DataFrame(names, columns=["image", "mask"])
    small = pipeline.load_arrays(tmp_path, table, 16)
    monkeypatch.setattr(pipeline, "MAX_IN_MEMORY", 0)
    large = pipeline.load_arrays(tmp_path, table, 16)
    for one, two in zip(small, large, strict=True):
        assert isinstance(two, np.memmap) and not isinstance(one, np.memmap)
        np.testing.assert_array_equal(one, two)
    batches = pipeline.segmentation_dataset(*large, 2, training=False)
    read = np.concatenate([y.numpy() for _, y in batches])
    np.testing.assert_array_equal(read, small[1])
    assert not read[0].any() and read[1].any()


def test_no_space_for_films_is_one_sentence(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    radiograph.write_png(tmp_path / "a.png", np.eye(8, dtype="float32"))
    monkeypatch.setattr(pipeline.tempfile, "TemporaryFile", Full)
    table = pd.DataFrame([("a.png", "")], columns=["image", "mask"])
    with pytest.raises(disk.DiskFullError, match="no space is left for 1 films"):
        pipeline.load_arrays(tmp_path, table, 8)


def test_the_hash_of_arrays_is_that_of_their_bytes_one_after_the_other():
    draw = np.random.default_rng(0)
    films = draw.integers(0, 255, (pipeline.BLOCK + 3, 4, 4, 1), "uint8")
    labels = draw.integers(0, 2, len(films))
    expected = hashlib.sha256(films.tobytes() + labels.tobytes()).hexdigest()
    assert pipeline.hash_arrays(films, labels) == expected
    labels[-1] = 1 - labels[-1]
    assert pipeline.hash_arrays(films, labels) != expected


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs Linux")
def test_hashing_films_that_lie_on_disk_takes_no_memory_for_them(tmp_path):
    def count_kib_of_files():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(one.split()[1]) for one in lines if one.startswith("RssFile"))

    (tmp_path / "films").write_bytes(bytes(2**25))
    films = np.memmap(tmp_path / "films", "uint8", "r", shape=(2**11, 128, 128, 1))
    before = count_kib_of_files()
    pipeline.hash_arrays(films)
    assert count_kib_of_files() - before < 2**13  # of 32 MiB
