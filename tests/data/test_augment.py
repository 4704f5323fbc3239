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
