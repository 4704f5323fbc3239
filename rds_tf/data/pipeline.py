"""tf.data for segmentation and classification, image and mask augmented together."""

import hashlib
import mmap
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from rds_tf import errors
from rds_tf.data import augment, preprocessing
from rds_tf.dicom import radiograph
from rds_tf.parallel import local
from rds_tf.storage import disk

MAX_IN_MEMORY = 2**27  # bytes; larger arrays of images stay on disk
BLOCK = 256  # images hashed together
AHEAD = 2  # batches that wait for the network


def read_pair(prepared: Path, row, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Read one prepared case as network input and mask, both `(size, size)`."""
    image = radiograph.read_image(prepared / row.image)
    image = preprocessing.preprocess(image, size)
    if not row.mask:
        return image, np.zeros((size, size), "uint8")
    mask = radiograph.read_image(prepared / row.mask)
    return image, (preprocessing.letterbox(mask, size) > 0.5).astype("uint8")


def load_arrays(
    prepared: str | Path, table: pd.DataFrame, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read cases, rows of the manifest of `prepared`, as network input.

    Above `MAX_IN_MEMORY` they lie in the system's folder of temporary files until the
    arrays are gone: memory does not grow with the number of cases.

    Returns:
        Two arrays `(N, size, size, 1)` uint8, read-only where they lie on disk: images,
        0 to 255, and masks of {0, 1}, all 0 where a case has none.

    Raises:
        disk.DiskFullError: no space is left for them.
    """
    shape = (len(table), size, size, 1)
    with tempfile.TemporaryFile() as images, tempfile.TemporaryFile() as masks:
        try:
            for row in table.itertuples():
                image, mask = read_pair(Path(prepared), row, size)
                images.write(np.round(255 * image).astype("uint8").tobytes())
                masks.write(mask.tobytes())
            images.flush()
            masks.flush()
        except OSError as error:
            if error.errno not in disk.FULL:
                raise
            raise disk.DiskFullError(
                f"{tempfile.gettempdir()}: no space is left for {len(table)} films of "
                f"{size} px; set TMPDIR to a folder that has it."
            ) from error
        return _open_array(images, shape), _open_array(masks, shape)


def _open_array(file, shape: tuple[int, ...]) -> np.ndarray:
    """Open a file of bytes as an array, a small one in memory."""
    if np.prod(shape) > MAX_IN_MEMORY:
        return np.memmap(file, "uint8", "r", shape=shape)
    file.seek(0)
    return np.frombuffer(bytearray(file.read()), "uint8").reshape(shape)


def _free_pages(array: np.ndarray) -> None:
    """Free the memory of what was read of an array on disk."""
    if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # the system keeps a cache


def hash_arrays(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays, one after the other, read block by block."""
    digest = hashlib.sha256()
    for array in arrays:
        for start in range(0, len(array), BLOCK):
            digest.update(np.ascontiguousarray(array[start : start + BLOCK]))
            _free_pages(array)
    return digest.hexdigest()


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
        training: shuffle, repeat without end and augment.
        geometry: how far the augmented cases are turned and scaled.
    """

    def vary(number, films, masks):
        return augment.vary_batch(films, masks, number, geometry)

    indices = tf.data.Dataset.range(len(images))
    if training:
        indices = indices.shuffle(len(images), seed=0).repeat()
    batches = indices.batch(batch_size)
    return _stream(batches, images, masks, vary=vary if training else None)


def classification_dataset(
    images,
    labels,
    batch_size: int,
    *,
    training: bool,
    targets=None,
    geometry: augment.Geometry = augment.STRAIGHT,
    look: augment.Look | None = None,
) -> tf.data.Dataset:
    """Stream `(image, target)` batches, float32 `(B, S, S, 1)` and `(B, K)`.

    Args:
        images: uint8 `(N, S, S, 1)`, 0 to 255.
        labels: int `(N,)` of {0, 1}.
        training: draw both classes equally often, repeat without end, augment.
        targets: what the network learns, `(N, K)`; default the labels, K 1.
        geometry: how far the augmented films are turned, scaled and stretched.
        look: how their look is changed, None for not at all.

    Raises:
        InputError: training data has one class only.
    """
    labels = np.asarray(labels, "float32").reshape(-1, 1)
    targets = labels if targets is None else np.asarray(targets, "float32")
    if not training:
        batches = tf.data.Dataset.range(len(images)).batch(batch_size)
        return _stream(batches, images, targets)
    if len(np.unique(labels)) < 2:
        raise errors.InputError("Training needs images of both classes, not of one.")
    classes = []
    for value in (0, 1):
        chosen = np.flatnonzero(labels[:, 0] == value)
        part = tf.data.Dataset.from_tensor_slices(chosen)
        classes.append(part.shuffle(len(chosen), seed=value).repeat())
    indices = tf.data.Dataset.sample_from_datasets(classes, [0.5, 0.5], seed=0)

    def vary(number, films, targets):
        return augment.vary_batch(films, None, number, geometry, look)[0], targets

    return _stream(indices.batch(batch_size), images, targets, vary=vary)


def _stream(batches: tf.data.Dataset, images, targets, vary=None) -> tf.data.Dataset:
    """Turn batches of indices into float32 batches of images, in [0, 1], and targets.

    The indices are shuffled, not the images: no image is in memory twice. `vary`
    augments the images and targets of a batch; what it draws must depend on its first
    argument alone, the number of the batch.
    """
    arrays = [np.asanyarray(array) for array in (images, targets)]
    kinds = [tf.float32 if vary else arrays[0].dtype, arrays[1].dtype]

    def read(number, chosen):
        rows = [np.asarray(array[chosen]) for array in arrays]
        for array in arrays:
            _free_pages(array)
        return vary(int(number), *rows) if vary else rows

    def gather(number, chosen):
        rows = tf.numpy_function(read, [number, chosen], kinds, stateful=False)
        for row, array in zip(rows, arrays, strict=True):
            row.set_shape((None, *array.shape[1:]))
        films, found = (tf.cast(row, tf.float32) for row in rows)
        return films if vary else films / 255, found

    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(dtype="int32"), batches)
    stream = numbered.map(gather, local.count_cores() if vary else None)
    # The thread by which tf.data would find the numbers of threads looks again after
    # 10 ms, 20, 40 and so on, and four in ten iterators wait for it at their end: a
    # training of 3.2 seconds took 5.1, one of 5 up to 10.
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.prefetch(AHEAD).with_options(options)
