"""Training phantoms as arrays in memory, for a network of any Keras backend."""

import multiprocessing

import cv2
import numpy as np

from rds_tf import engine
from rds_tf.data import preprocessing
from rds_tf.phantoms import phantom


def draw_phantoms(
    num_phantoms: int, size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw training phantoms on all cores.

    Args:
        num_phantoms: int.
        size: int, side in pixels.
        seed: int; another seed has no phantom in common.

    Returns:
        uint8 images `(N, size, size, 1)`, 0 to 255, and masks `(N, size, size, 2)` of
        {0, 1}: the lungs with and without the part behind the heart.

    Raises:
        ValueError: if `num_phantoms` is less than 1, or one cannot be drawn.
    """
    if num_phantoms < 1:
        raise ValueError(f"`num_phantoms` must be at least 1. Received: {num_phantoms}")
    seeds = [((seed + 1) * 1_000_000 + index, size) for index in range(num_phantoms)]
    groups = [seeds[at : at + 50] for at in range(0, num_phantoms, 50)]
    workers = min(engine.count_cores(), len(groups))  # a few need no process
    outcomes = engine.map_items(_draw_group, groups, workers, "phantoms x 50")
    for outcome in outcomes:
        if outcome.error:
            raise ValueError(f"A training phantom failed: {outcome.error}")
    images, masks = zip(*(outcome.value for outcome in outcomes), strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _draw_group(group: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    if multiprocessing.parent_process():  # one process a core
        cv2.setNumThreads(1)
    size = group[0][1]
    images = np.empty((len(group), size, size, 1), np.uint8)
    masks = np.empty((len(group), size, size, 2), np.uint8)
    for place, (seed, _) in enumerate(group):
        made = phantom.make_training_phantom(seed, size)
        images[place, ..., 0] = np.round(255 * preprocessing.stretch(made.image))
        masks[place, ..., 0] = made.mask
        masks[place, ..., 1] = made.mask_without_heart
    return images, masks
