"""Random changes of a batch of images and their masks, in the TensorFlow graph.

Every draw is stateless: it depends on the seed that the batch comes with and on
nothing else, so that runs repeat and batches can be made in parallel.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


class Draw:
    """Uniform draws for a batch, each from a seed of its own."""

    def __init__(self, seed, batch_size):
        """Start from a seed `(2,)` int and the number of images in the batch."""
        self.seed = tf.cast(seed, "int32")
        self.batch_size = batch_size

    def uniform(self, low: float, high: float):
        """Return `(B,)` draws from [low, high)."""
        return self.fill([self.batch_size], low, high)

    def fill(self, shape, low: float, high: float):
        """Return draws of any shape from [low, high)."""
        self.seed += [0, 1]
        return tf.random.stateless_uniform(shape, self.seed, low, high)

    def normal(self, shape):
        """Return standard normal draws of any shape."""
        self.seed += [0, 1]
        return tf.random.stateless_normal(shape, self.seed)


@dataclass(frozen=True)
class Geometry:
    """How far films are turned and scaled.

    Attributes:
        turned: share of the draws that turn by up to `max_angle_degrees`; the
            others stay within 15 degrees.
        max_angle_degrees: float.
        scale: least and largest magnification.
    """

    turned: float
    max_angle_degrees: float
    scale: tuple[float, float]


ANY_ANGLE = Geometry(0.5, 180.0, (0.7, 1.4))
MOSTLY_UPRIGHT = Geometry(0.2, 180.0, (0.85, 1.35))  # as the upright pass sees them
STRAIGHT = Geometry(0.5, 12.0, (0.8, 1.25))


def vary_geometry(images, masks, seed, geometry: Geometry = ANY_ANGLE):
    """Rotate, scale, shift and mirror images and masks by the same draws.

    Args:
        images: float32 `(B, S, S, 1)`.
        masks: float32 `(B, S, S, M)`.
        seed: int `(2,)`.
        geometry: how far.

    Returns:
        Images and masks of the same shapes; black and 0 where nothing was.
    """
    shape = tf.shape(images)
    draw = Draw(seed, shape[0])
    size = tf.cast(shape[1], "float32")
    large = geometry.max_angle_degrees
    limit = tf.where(draw.uniform(0, 1) < geometry.turned, large, min(15.0, large))
    angle = draw.uniform(-1, 1) * limit * np.pi / 180
    scale = tf.exp(draw.uniform(*np.log(geometry.scale)))
    mirror = tf.where(draw.uniform(0, 1) < 0.5, 1.0, -1.0)
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    centre = (size - 1) / 2
    right = centre * (1 - a - b) + size * draw.uniform(-0.08, 0.08)
    down = centre * (1 - c - d) + size * draw.uniform(-0.08, 0.08)
    zero = tf.zeros_like(a)
    both = tf.concat([images, masks], -1)
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=both,
        transforms=tf.stack([a, b, right, c, d, down, zero, zero], 1),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    turned = tf.ensure_shape(turned, both.shape)
    return turned[..., :1], tf.round(turned[..., 1:])


def vary_intensity(images, seed):
    """Vary exposure, gamma, grain and sharpness of films and cover a rectangle.

    The settings follow nnU-Net (Isensee et al., Nature Methods 2021), scaled to
    radiographs: gamma 0.6 to 1.6 (in three of ten on the inverted film), contrast
    0.7 to 1.3, noise up to 0.06, lower resolution, a blank device or tape.

    Args:
        images: float32 `(B, S, S, 1)` in `[0, 1]`.
        seed: int `(2,)`.

    Returns:
        float32 `(B, S, S, 1)` in `[0, 1]`.
    """
    known, shape = images.shape, tf.shape(images)
    draw = Draw(seed, shape[0])

    def each(values):
        return values[:, None, None, None]

    gamma = each(tf.exp(draw.uniform(np.log(0.6), np.log(1.6))))
    inverted = each(draw.uniform(0, 1) < 0.3)
    images = tf.clip_by_value(images, 0.0, 1.0)
    images = tf.where(inverted, 1 - images, images) ** gamma
    images = tf.where(inverted, 1 - images, images)
    contrast, lift = draw.uniform(0.7, 1.3), draw.uniform(-0.12, 0.12)
    images = (images - 0.5) * each(contrast) + 0.5 + each(lift)
    soft = tf.image.resize(tf.image.resize(images, shape[1:3] // 2), shape[1:3])
    images = tf.where(each(draw.uniform(0, 1) < 0.2), soft, images)
    sigma = each(0.06 * draw.uniform(0, 1) ** 2)
    images += draw.normal(shape) * sigma
    fill = each(draw.uniform(0, 1))
    images = tf.where(_rectangles(draw, shape), fill, images)
    return tf.ensure_shape(tf.clip_by_value(images, 0.0, 1.0), known)


def _rectangles(draw: Draw, shape):
    """Return bool `(B, S, S, 1)` rectangles, empty in seven of ten images."""
    side = tf.cast(shape[1], "float32")
    here = tf.cast(draw.uniform(0, 1) < 0.3, "float32")
    steps = tf.range(side)[None]

    def band():
        start = draw.uniform(0.0, 0.9)[:, None] * side
        extent = (here * draw.uniform(0.03, 0.2))[:, None] * side
        return (steps >= start) & (steps < start + extent)

    return (band()[:, :, None] & band()[:, None, :])[..., None]
