"""Sizes and scales: of the image that a network takes, and of the map that it gives."""

import keras
import tensorflow as tf

from rds_tf import errors

# Keeps a map without evidence at 0. A probability moves at most a quarter as far as
# its logit, so this is the 1e-7 that tf-keras-vis adds to the map of a probability.
EPSILON = 4e-7


def fit_image(image, model):
    """Fit one image (1, H, W, C) to the input (B, h, w, c) of a model.

    Where h, w or c is None (or the model subclassed) the image is left as it is.

    Returns:
        Tensor (1, h, w, c): grey repeated to three channels, `resize` where needed.

    Raises:
        ValueError: if C is neither c nor 1 for a model of three channels.
    """
    _, *size, channels = image.shape
    while isinstance(model, keras.Sequential) and not model.built:
        model = model.layers[0]
    inputs = getattr(model, "inputs", None)
    *_, height, width, wanted = inputs[0].shape if inputs else (*size, channels)
    if wanted == 3 and channels == 1:
        image = tf.repeat(image, 3, axis=-1)
    elif wanted not in (None, channels):
        raise errors.InputError(
            f"Expected `image` with {wanted} channels for `{model.name}`. "
            f"Received: {channels}"
        )
    fixed = [height or size[0], width or size[1]]
    if fixed == size:
        return image
    planes = tf.transpose(image[0], (2, 0, 1))  # (C, H, W)
    return tf.transpose(resize(planes, *fixed), (1, 2, 0))[None]


def resize(maps, height, width):
    """Resize (B, h, w) to (B, height, width), bilinear with corners aligned.

    Two products of matrices in place of `tf.image.resize`, which does not align
    corners: the corner of a map is then that of the image, as in tf-keras-vis.
    """
    old_height, old_width = tf.unstack(tf.shape(maps)[1:3])
    rows = _interpolation(old_height, height)
    columns = _interpolation(old_width, width)
    return tf.einsum("yi,bij,xj->byx", rows, maps, columns)


def _interpolation(size, new_size):
    """Return the matrix (new_size, size) that interpolates `size` values."""
    position = tf.linspace(0.0, tf.cast(size - 1, tf.float32), new_size)
    distance = position[:, None] - tf.range(size, dtype=tf.float32)[None]
    return tf.nn.relu(1.0 - tf.abs(distance))


def normalize(maps):
    """Scale each map (B, H, W) to [0, 1]; a constant one becomes 0."""
    low = tf.reduce_min(maps, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(maps, axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low + EPSILON)
