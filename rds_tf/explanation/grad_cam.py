"""Show where classifiers look: one map from one model, or from many."""

import dataclasses
import weakref

import keras
import numpy as np
import tensorflow as tf

from rds_tf import errors
from rds_tf.explanation import activation, stateless, tf_keras_vis_cams

OTHER_METHODS = tf_keras_vis_cams.METHODS
other_cam = tf_keras_vis_cams.draw


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Where an ensemble of M models looks in one image.

    Attributes:
        mean: float32 (H, W), at least 0, evidence for the explained class: the
            Grad-CAM of the ensemble's mean logit, in logit units.
        spread: float32 (H, W), standard deviation of the members' maps.
        agreement: float32 (H, W) in [0, 1], share of members on the fused map's side.
        counter: float32 (H, W), at least 0, `mean` for the other class.
        logit: float, mean of `logits`.
        logits: float32 (M,), each member's logit of the explained class.
    """

    mean: np.ndarray
    spread: np.ndarray
    agreement: np.ndarray
    counter: np.ndarray
    logit: float
    logits: np.ndarray

    @property
    def heatmap(self) -> np.ndarray:
        """`mean` scaled to [0, 1] as in `grad_cam`, float32 (H, W)."""
        return activation.normalize(self.mean[None])[0].numpy()


def explain(
    models, image, *, method="grad_cam", layer=None, class_index=1, **options
) -> Explanation:
    """Explain one image by one map from one model or from many.

    The gradient is linear, so Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) of
    the mean logit is the mean of the members' signed maps (`class_activation`),
    rectified once. It is rectified at the resolution of the features and then
    resized to the image (bilinear, corners aligned); members whose features differ
    in size are resized first. `spread` and `agreement` compare the signed maps,
    resized to the image: a member agrees at a pixel where the sign (-1, 0 or 1) of
    its map is that of the mean signed map.

    The maps of the other methods have no common unit: each member's is scaled to
    [0, 1], `mean` and `spread` are those of the scaled maps, and a member agrees
    where its map is above its own mean and the fused map above its own, or neither.
    (`smooth_grad` knows no sign: its `counter` is its `mean` but for the noise.)

    Args:
        models: a Keras classifier or a non-empty sequence of them, nested or not,
            (B, h, w, c) -> (B, 1) or (B, 2). The logit of class 0 of a model with
            one logit is its negative.
        image: array (H, W), (H, W, C) or (1, H, W, C) in the models' range. Grey is
            repeated for a model of three channels, and a model of fixed size gets
            the image resized as above (without smoothing: shrink it yourself first
            where detail would alias).
        method: str, `"grad_cam"` or a key of `OTHER_METHODS`.
        layer: name or layer to look at; None takes each model's last `Conv2D`.
        class_index: 0 ("no RDS") or 1 ("RDS"), the class explained.
        **options: handed to `other_cam`.

    Returns:
        An `Explanation` of the image's height and width.

    Raises:
        ValueError: if models, image, method, layer or class_index are others.
    """
    _check_choice("method", method, ("grad_cam", *OTHER_METHODS))
    _check_choice("class_index", class_index, (0, 1))
    if method == "grad_cam" and options:
        raise errors.InputError(
            f"Expected no options of `grad_cam`. Received: {options}"
        )
    models = _check_models(models)
    image = tf.constant(_check_image(image))
    bodies = [stateless.find_network(each) for each in models]
    if method != "grad_cam" and bodies != [*models]:
        raise errors.InputError(
            f"Expected Keras models for `{method}`. Received: twins"
        )
    found = {body: activation.find_layer(body, layer) for body in set(bodies)}
    layers = [found[body] for body in bodies]
    pairs = list(zip(models, layers, strict=True))
    inputs = tuple(activation.fit_image(image, body) for body in bodies)
    specs = tuple(tf.TensorSpec.from_tensor(each) for each in inputs)
    others = tuple(tuple(map(weakref.ref, pair)) for pair in pairs[1:])
    run = activation.find_trace(
        stateless.trace_models, *pairs[0], specs, others, class_index
    )
    passes = run(inputs)  # all in one call, so that small networks run side by side
    size = tf.constant(image.shape[1:3])  # a tensor, so that no size is compiled anew
    *maps, logits = [
        each.numpy() for each in _combine(size, *zip(*passes, strict=True))
    ]
    if method != "grad_cam":
        maps = tf_keras_vis_cams.fuse(method, pairs, image, class_index, options)
    return Explanation(*maps, float(logits.mean()), logits)


def grad_cam(model, images, layer=None, *, class_index=1, batch_size=16):
    """Draw the Grad-CAM heat map of each image.

    Selvaraju et al. 2017, arXiv:1610.02391: rectified `class_activation`, resized
    to the image (bilinear, corners aligned) and scaled to [0, 1] image by image.
    A map without any positive evidence is 0 everywhere.

    Args:
        model: a Keras classifier, (B, H, W, C) -> (B, 1) or (B, num_classes).
        images: array (B, H, W, C) in the model's range, B at least 1.
        layer: name or layer to look at; None takes the last `Conv2D`.
        class_index: int, the class explained; 0 is "no RDS", 1 is "RDS".
        batch_size: int, images a pass, bounds the memory.

    Returns:
        float32 array (B, H, W) in [0, 1].

    Raises:
        ValueError: if images, model or layer have other shapes, or none is found.
    """
    _, heatmaps = _explain_batches(model, images, layer, class_index, batch_size)
    return heatmaps


def class_activation(model, images, layer=None, *, class_index=1, batch_size=16):
    """Compute the Grad-CAM of each image in logit units, neither cut nor scaled.

    At the layer before global average pooling and `logit`, the map of an image
    sums to its logit less the bias, so maps of several models can be averaged.

    Args and Raises as in `grad_cam`.

    Returns:
        float32 array (B, h, w), the size of the layer's feature map.
    """
    activations, _ = _explain_batches(model, images, layer, class_index, batch_size)
    return activations


def _explain_batches(model, images, layer, class_index, batch_size):
    """Run the traced pass in batches: raw maps and heat maps of all images."""
    images = tf_keras_vis_cams.check_images(images)
    layer = activation.find_layer(model, layer)
    spec = tf.TensorSpec((None, *images.shape[1:]), tf.float32)
    trace = activation.find_trace(_trace_batch, model, layer, spec, class_index)
    batches = [
        trace(tf.constant(images[start : start + batch_size]))
        for start in range(0, len(images), batch_size)
    ]
    activations, heatmaps = zip(*batches, strict=True)
    return np.concatenate(activations), np.concatenate(heatmaps)


def _trace_batch(model, layer, class_index):
    """Return the pass (B, H, W, C) -> (raw maps, heat maps)."""

    def run(images):
        features, logits = activation.forward(model(), layer(), images)
        raw = activation.weigh(features, logits, class_index)  # (B, h, w)
        resized = activation.resize(tf.nn.relu(raw), *images.shape[1:3])
        return raw, activation.normalize(resized)

    return run


@tf.function(autograph=False)
def _combine(size, maps, others, logits):
    """Turn the passes of M members into the four maps (H, W) and logits (M,)."""
    enlarge = activation.make_resizer(*tf.unstack(size))  # to H, W
    signed = tf.concat([enlarge(each) for each in maps], 0)
    sides = tf.sign(signed) == tf.sign(tf.reduce_mean(signed, axis=0))
    return (
        _fuse(maps, enlarge),
        tf.math.reduce_std(signed, axis=0),
        tf.reduce_mean(tf.cast(sides, tf.float32), axis=0),
        _fuse(others, enlarge),
        tf.concat(logits, 0),
    )


def _fuse(maps, enlarge):
    """Average signed maps, each (1, h, w), and rectify once, (H, W)."""
    if len({tuple(each.shape) for each in maps}) == 1:
        fused = tf.nn.relu(tf.add_n(maps) / len(maps))
        return enlarge(fused)[0]
    resized = [enlarge(each) for each in maps]
    return tf.nn.relu(tf.add_n(resized) / len(resized))[0]


def _check_models(models):
    """Return the models as a tuple, or raise ValueError."""
    kinds = keras.Model, stateless.StatelessModel
    models = (models,) if isinstance(models, kinds) else tuple(models)
    if not models or not all(isinstance(each, kinds) for each in models):
        types = ", ".join(type(each).__name__ for each in models) or "none"
        raise errors.InputError(f"Expected one or more Keras models. Received: {types}")
    return models


def _check_image(image):
    """Return `image` as float32 (1, H, W, C), or raise ValueError."""
    image = np.asarray(image, np.float32)
    shape = image.shape
    if image.ndim == 2:
        image = image[None, ..., None]
    elif image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or len(image) != 1 or not image.size:
        raise errors.InputError(
            f"Expected `image` of shape (H, W), (H, W, C) or (1, H, W, C). "
            f"Received: {shape}"
        )
    return image


def _check_choice(name, value, choices):
    """Raise ValueError unless `value` is one of the choices."""
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise errors.InputError(
            f"Expected `{name}` to be one of {listed}. Received: {value!r}"
        )
