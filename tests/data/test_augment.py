import errno
import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rds_tf import engine
from rds_tf.data import augment, pipeline, radiograph


@pytest.fixture
def batch():
    images = np.zeros((8, 32, 32, 1), "float32")
    images[:, 8:24, 4:14] = 0.8
    return tf.constant(images), tf.constant((images > 0.5).astype("float32"))


def test_image_and_mask_move_together(batch):
    images, masks = augment.vary_geometry(*batch, [3, 0])
    inside = images.numpy()[masks.numpy() == 1]
    outside = images.numpy()[masks.numpy() == 0]
    assert inside.min() >= 0.39 and outside.max() <= 0.41


def test_the_same_seed_gives_the_same_batch_and_another_seed_another(batch):
    first, _ = augment.vary_geometry(*batch, [3, 0])
    again, _ = augment.vary_geometry(*batch, [3, 0])
    other, _ = augment.vary_geometry(*batch, [4, 0])
    np.testing.assert_array_equal(first, again)
    assert (first.numpy() != other.numpy()).any()


def test_images_of_a_batch_get_draws_of_their_own(batch):
    images, _ = augment.vary_geometry(*batch, [3, 0])
    assert (images[0].numpy() != images[1].numpy()).any()


def test_a_turned_mask_keeps_its_area_but_for_scale(batch):
    _, masks = augment.vary_geometry(*batch, [5, 0])
    areas = tf.reduce_sum(masks, (1, 2, 3)).numpy() / 160
    assert (areas < 1.4**2 * 1.1).all()  # may leave the frame, cannot grow more


def test_intensity_stays_in_range_and_changes_the_film(batch):
    images = augment.vary_intensity(batch[0], [1, 0]).numpy()
    assert images.min() >= 0 and images.max() <= 1
    assert np.abs(images - batch[0].numpy()).mean() > 0.01


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


def test_a_training_batch_goes_through_all_films_before_one_comes_twice():
    images = np.arange(12, dtype="uint8").reshape(12, 1, 1, 1)
    places = tf.data.Dataset.range(12).shuffle(12, seed=0).batch(4)
    drawn = [x.numpy() for x, _ in pipeline._take(places, images, images)]
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
    monkeypatch.setattr(pipeline, "MOST_IN_MEMORY", 0)
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
    with pytest.raises(engine.DiskFullError, match="no space is left for 1 films"):
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
