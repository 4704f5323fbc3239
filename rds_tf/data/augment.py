"""Random changes of films and their masks, by OpenCV and NumPy.

What is drawn depends on the generator that is handed in and on nothing else, so that
runs repeat and batches can be made in parallel: both libraries let other threads run.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

NUM_GRAINS = 2**22  # drawn once; the grain of a film begins anywhere among them
LEVELS = np.linspace(0, 1, 256, dtype=np.float32)


@dataclass(frozen=True)
class Geometry:
    """How far images are turned and scaled."""

    turned: float  # proportion turned by up to the angle, others by 15 degrees at most
    max_angle_degrees: float
    scale: tuple[float, float]  # smallest and largest magnification


ANY_ANGLE = Geometry(0.5, 180.0, (0.7, 1.4))
MOSTLY_UPRIGHT = Geometry(0.2, 180.0, (0.85, 1.35))  # as the upright pass sees them
STRAIGHT = Geometry(0.5, 12.0, (0.8, 1.25))


def vary_batch(
    images: np.ndarray,
    masks: np.ndarray | None,
    seed: int,
    geometry: Geometry = ANY_ANGLE,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Augment each image of a batch at random, and its mask in the same way.

    Args:
        images: uint8 `(B, S, S, 1)`.
        masks: uint8 `(B, S, S, M)` of {0, 1}, None without any.
        seed: the same gives the same batch.
        geometry: how far images are turned and scaled.

    Returns:
        float32 `(B, S, S, 1)` in `[0, 1]`, and masks as they came, or None.
    """
    rng = np.random.default_rng(seed)
    varied = np.empty(images.shape, np.float32)
    moved = None if masks is None else np.empty_like(masks)
    num_masks = 0 if masks is None else masks.shape[-1]
    for place, image in enumerate(images[..., 0]):
        matrix = draw_matrix(rng, len(image), geometry)
        varied[place, ..., 0] = vary_intensity(move(image, matrix), rng)
        for channel in range(num_masks):  # two at once take twice as long
            mask = np.ascontiguousarray(masks[place, ..., channel])
            moved[place, ..., channel] = move(mask, matrix, cv2.INTER_NEAREST)
    return varied, moved


def draw_matrix(rng: np.random.Generator, size: int, geometry: Geometry) -> np.ndarray:
    """Draw a turn, a scale, a shift and a mirror: `(2, 3)`, to where it comes from."""
    large = geometry.max_angle_degrees
    limit = large if rng.random() < geometry.turned else min(15.0, large)
    angle = math.radians(rng.uniform(-limit, limit))
    scale = math.exp(rng.uniform(*map(math.log, geometry.scale)))
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    centre = (size - 1) / 2
    right, down = size * rng.uniform(-0.08, 0.08, 2)
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    right, down = right + centre * (1 - a - b), down + centre * (1 - c - d)
    return np.array([[a, b, right], [c, d, down]])


def move(
    image: np.ndarray, matrix: np.ndarray, between: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Look up each pixel where the matrix says; black and 0 outside.

    A mask is looked up in half of the time by its nearest pixels: turned ellipses then
    match the truth with an IoU of 0.992 where weights and rounding give 0.994, and are
    no larger and lie nowhere else.
    """
    flags = between | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=flags)


def vary_intensity(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary exposure, gamma, grain and sharpness of a film and cover a rectangle.

    The settings follow nnU-Net (Isensee et al., Nature Methods 2021), scaled to
    radiographs: gamma 0.6 to 1.6 (in three of ten on the inverted film), contrast
    0.7 to 1.3, noise up to 0.06, lower resolution, a blank device or tape.

    Args:
        image: uint8 `(S, S)`.

    Returns:
        float32 `(S, S)` in `[0, 1]`.
    """
    grey = cv2.LUT(image, _draw_curve(rng))
    height, width = image.shape
    if rng.random() < 0.2:
        small = cv2.resize(grey, (max(1, width // 2), max(1, height // 2)))
        grey = cv2.resize(small, (width, height))
    sigma, grains = 0.06 * rng.random() ** 2, _draw_grains()
    start = rng.integers(len(grains) - image.size)
    grain = grains[start : start + image.size].reshape(image.shape)
    grey = cv2.scaleAdd(grain, sigma, grey)
    if rng.random() < 0.3:
        top, left = (rng.uniform(0.0, 0.9, 2) * image.shape).astype(int)
        tall, wide = np.ceil(rng.uniform(0.03, 0.2, 2) * image.shape).astype(int)
        grey[top : top + tall, left : left + wide] = rng.random()
    return np.clip(grey, 0, 1, out=grey)


def _draw_curve(rng: np.random.Generator) -> np.ndarray:
    """Draw the grey, beyond [0, 1] too, that each of 256 levels becomes."""
    gamma = np.exp(rng.uniform(np.log(0.6), np.log(1.6)))
    curve = 1 - (1 - LEVELS) ** gamma if rng.random() < 0.3 else LEVELS**gamma
    contrast, lift = rng.uniform(0.7, 1.3), rng.uniform(-0.12, 0.12)
    return ((curve - 0.5) * contrast + (0.5 + lift)).astype(np.float32)


@functools.cache
def _draw_grains() -> np.ndarray:
    """Draw normal numbers, float32, once: they take longer than all else."""
    return np.random.default_rng(0).standard_normal(NUM_GRAINS, np.float32)
