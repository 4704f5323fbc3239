"""tf.data for segmentation and classification, image and mask augmented together."""

from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from rds_tf.data import augment, preprocessing, radiograph


def read_pair(prepared: Path, row, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Read one prepared case as network input and mask, both `(size, size)`."""
    image = radiograph.read_radiograph(prepared / row.image)
    image = preprocessing.preprocess(image, size)
    if not row.mask:
        return image, np.zeros((size, size), "uint8")
    mask = radiograph.read_radiograph(prepared / row.mask)
    return image, (preprocessing.letterbox(mask, size) > 0.5).astype("uint8")


def load_arrays(
    prepared: str | Path, table: pd.DataFrame, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read cases into memory, `(N, size, size, 1)` uint8 images and masks.

    Args:
        prepared: folder written by `prepare`.
        table: rows of its manifest.
        size: int, side in pixels.

    Returns:
        Images 0 to 255, and masks of {0, 1}, empty where a case has none.
    """
    images = np.zeros((len(table), size, size, 1), "uint8")
    masks = np.zeros_like(images)
    for index, row in enumerate(table.itertuples()):
        image, mask = read_pair(Path(prepared), row, size)
        images[index, ..., 0] = np.round(255 * image)
        masks[index, ..., 0] = mask
    return images, masks


def segmentation_dataset(
    images,
    masks,
    batch_size: int,
    *,
    training: bool,
    geometry: augment.Geometry = augment.ANY_ANGLE,
) -> tf.data.Dataset:
    """Stream `(image, mask)` batches, float32 `(B, S, S, 1)` and `(B, S, S, M)`.

    Args:
        images: uint8 `(N, S, S, 1)`, 0 to 255.
        masks: uint8 `(N, S, S, M)` of {0, 1}.
        batch_size: int.
        training: bool, shuffle, repeat without end and augment.
        geometry: how far the augmented cases are turned and scaled.
    """

    def finish(image, mask):
        return tf.cast(image, "float32") / 255, tf.cast(mask, "float32")

    def vary(seed, pair):
        image, mask = finish(*pair)
        seed = tf.stack([seed, 0])
        image, mask = augment.vary_geometry(image, mask, seed, geometry)
        return augment.vary_intensity(image, seed + [0, 1000]), mask

    dataset = tf.data.Dataset.from_tensor_slices((images, masks))
    if not training:
        return dataset.batch(batch_size).map(finish).prefetch(tf.data.AUTOTUNE)
    dataset = dataset.shuffle(len(images), seed=0).repeat().batch(batch_size)
    return _number(dataset).map(vary, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def classification_dataset(
    images, labels, batch_size: int, *, training: bool
) -> tf.data.Dataset:
    """Stream `(image, label)` batches, float32 `(B, S, S, 1)` and `(B, 1)`.

    Args:
        images: uint8 `(N, S, S, 1)`, 0 to 255.
        labels: int `(N,)` of {0, 1}.
        batch_size: int.
        training: bool, draw both classes equally often, repeat without end, augment.

    Raises:
        ValueError: if training data has one class only.
    """
    labels = np.asarray(labels, "float32").reshape(-1, 1)

    def finish(image, label):
        return tf.cast(image, "float32") / 255, label

    def vary(seed, pair):
        image, label = finish(*pair)
        seed = tf.stack([seed, 0])
        image, _ = augment.vary_geometry(image, image, seed, augment.STRAIGHT)
        return augment.vary_intensity(image, seed + [0, 1000]), label

    if not training:
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        return dataset.batch(batch_size).map(finish).prefetch(tf.data.AUTOTUNE)
    if len(np.unique(labels)) < 2:
        raise ValueError("Training needs films of both classes, there is only one.")
    classes = []
    for value in (0, 1):
        chosen = labels[:, 0] == value
        part = tf.data.Dataset.from_tensor_slices((images[chosen], labels[chosen]))
        classes.append(part.shuffle(int(chosen.sum()), seed=value).repeat())
    dataset = tf.data.Dataset.sample_from_datasets(classes, [0.5, 0.5], seed=0)
    dataset = _number(dataset.batch(batch_size))
    return dataset.map(vary, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _number(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Give every batch its number, from which its augmentation is drawn."""
    return tf.data.Dataset.zip(tf.data.Dataset.counter(dtype="int32"), batches)
