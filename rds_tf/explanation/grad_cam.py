"""Show where classifiers look: Grad-CAM of one model, or one map from many.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) weighs the features of a layer by the
mean gradient of a class's logit, adds them up and keeps what speaks for the class:
`weigh` is the formula, `grad_cam` draws it, `explain` fuses the maps of an ensemble.
"""

import dataclasses
import weakref

import keras
import numpy as np
import tensorflow as tf

from rds_tf import errors
from rds_tf.explanation import forward_pass, heatmap, stateless


def grad_cam(model, images, layer=None, *, class_index=1, batch_size=16):
    """Draw the Grad-CAM heat map of each image.

    It is `class_activation` rectified, resized to the image (bilinear, corners
    aligned) and scaled to [0, 1] image by image. A map without any positive evidence
    is 0 everywhere.

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
    return _draw_batches(model, images, layer, class_index, batch_size)[1]


def class_activation(model, images, layer=None, *, class_index=1, batch_size=16):
    """Compute the Grad-CAM of each image in logit units, neither cut nor scaled.

    At the layer before global average pooling and `logit`, the map of an image
    sums to its logit less the bias, so maps of several models can be averaged.

    Args, Raises: as in `grad_cam`.

    Returns:
        float32 array (B, h, w), the size of the layer's feature map.
    """
    return _draw_batches(model, images, layer, class_index, batch_size)[0]


def _draw_batches(model, images, layer, class_index, batch_size):
    """Run the traced pass in batches: signed maps and heat maps of all images."""
    images = forward_pass.check_images(images)
    layer = forward_pass.find_layer(model, layer)
    spec = tf.TensorSpec((None, *images.shape[1:]), tf.float32)
    trace = forward_pass.compile_once(_build_pass, model, layer, spec, class_index)
    batches = [
        trace(tf.constant(images[start : start + batch_size]))
        for start in range(0, len(images), batch_size)
    ]
    signed, heatmaps = zip(*batches, strict=True)
    return np.concatenate(signed), np.concatenate(heatmaps)


def _build_pass(model, layer, class_index):
    """Return the pass of one model, (B, H, W, C) -> (signed maps, heat maps)."""

    def run(images):
        features, logits = forward_pass.forward(model(), layer(), images)
        signed = weigh(features, logits, class_index)  # (B, h, w)
        resized = heatmap.resize(tf.nn.relu(signed), *images.shape[1:3])
        return signed, heatmap.normalize(resized)

    return run


def weigh(features, logits, class_index):
    """Weigh features by the mean gradient of a class's logit, inside a trace.

    Features and logits are those of `forward_pass.forward`; the map is a float32
    tensor (B, h, w) in logit units, before the rectification.
    """
    (gradient,) = tf.gradients(logits[:, class_index], features)  # (B, h, w, C)
    gradient = tf.cast(gradient, tf.float32)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)  # (B, 1, 1, C)
    return tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1)


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Where an ensemble of M models looks in one image.

    Attributes:
        mean: float32 (H, W), at least 0, evidence for the explained class: the
            Grad-CAM of the ensemble's mean logit, in logit units.
        spread: float32 (H, W), standard deviation of the models' signed maps.
        agreement: float32 (H, W) in [0, 1], proportion of models whose signed map
            has the sign (-1, 0 or 1) of the mean one.
        counter: float32 (H, W), at least 0, `mean` for the other class.
        logits: float32 (M,), each model's logit of the explained class.
    """

    mean: np.ndarray
    spread: np.ndarray
    agreement: np.ndarray
    counter: np.ndarray
    logits: np.ndarray

    @property
    def heatmap(self) -> np.ndarray:
        """`mean` scaled to [0, 1] as in `grad_cam`, float32 (H, W)."""
        return heatmap.normalize(self.mean[None])[0].numpy()


def explain(models, image, *, layer=None, class_index=1) -> Explanation:
    """Explain one image by one Grad-CAM from one model or from many.

    The gradient is linear, so the Grad-CAM of the mean logit is the mean of the
    models' signed maps (`class_activation`), rectified once. It is rectified at the
    resolution of the features and then resized to the image (bilinear, corners
    aligned); maps of features that differ in size are resized first. `spread` and
    `agreement` compare the signed maps, resized to the image.

    Args:
        models: a Keras classifier, a `stateless.StatelessModel`, or a non-empty
            sequence of them, nested or not, (B, h, w, c) -> (B, 1) or (B, 2). The
            logit of class 0 of a model with one logit is its negative.
        image: array (H, W), (H, W, C) or (1, H, W, C) in the models' range. Grey is
            repeated for a model of three channels, and a model of fixed size gets
            the image resized as above (without smoothing: shrink it yourself first
            where detail would alias).
        layer: name or layer to look at; None takes each model's last `Conv2D`.
        class_index: 0 ("no RDS") or 1 ("RDS"), the class explained.

    Returns:
        An `Explanation` of the image's height and width.

    Raises:
        ValueError: if models, image, layer or class_index are others.
    """
    if class_index not in (0, 1):
        raise errors.InputError(
            f"Expected `class_index` to be one of 0, 1. Received: {class_index!r}"
        )
    models, image = _check_models(models), tf.constant(_check_image(image))
    networks = [stateless.get_network(model) for model in models]
    layers = {each: forward_pass.find_layer(each, layer) for each in set(networks)}
    inputs = tuple(heatmap.fit_image(image, network) for network in networks)
    specs = tuple(tf.TensorSpec.from_tensor(each) for each in inputs)
    pairs = [
        (model, layers[each]) for model, each in zip(models, networks, strict=True)
    ]
    others = tuple(tuple(map(weakref.ref, pair)) for pair in pairs[1:])
    run = forward_pass.compile_once(
        _build_joint_pass, *pairs[0], specs, others, class_index
    )
    maps, counter_maps, logits = zip(*run(inputs), strict=True)
    size = tf.constant(image.shape[1:3])  # a tensor, so that no size is compiled anew
    fused = _fuse(size, maps, counter_maps, logits)
    return Explanation(**{name: value.numpy() for name, value in fused.items()})


@tf.function(autograph=False)
def _fuse(size, maps, counter_maps, logits):
    """Turn what M passes gave into the fields of an `Explanation`."""
    size = tf.unstack(size)  # H, W
    signed = tf.concat([heatmap.resize(each, *size) for each in maps], 0)  # (M, H, W)
    same_sign = tf.sign(signed) == tf.sign(tf.reduce_mean(signed, axis=0))
    return {
        "mean": _average(maps, size),
        "spread": tf.math.reduce_std(signed, axis=0),
        "agreement": tf.reduce_mean(tf.cast(same_sign, tf.float32), axis=0),
        "counter": _average(counter_maps, size),
        "logits": tf.concat(logits, 0),
    }


def _average(maps, size):
    """Average signed maps, each (1, h, w), and rectify once, (H, W)."""
    if len({tuple(each.shape) for each in maps}) == 1:
        return heatmap.resize(tf.nn.relu(tf.add_n(maps) / len(maps)), *size)[0]
    resized = [heatmap.resize(each, *size) for each in maps]
    return tf.nn.relu(tf.add_n(resized) / len(resized))[0]


def _build_joint_pass(model, layer, others, class_index):
    """Return one pass of all models: a tuple of M images (1, H, W, C) -> M triples.

    In one graph small networks run side by side. Models built alike, such as an
    ensemble's five folds, are traced once, with the weights of each handed in.
    Models and layers come as weak references. A triple is the signed map (1, h, w),
    that of the other class, and the logit (1,).
    """

    def run(images):
        architectures, passes, found = {}, {}, []
        for references, image in zip(((model, layer), *others), images, strict=True):
            one, its_layer = (reference() for reference in references)
            network = stateless.get_network(one)
            if id(network) not in architectures:
                architectures[id(network)] = _describe(network)
            key = architectures[id(network)], its_layer.name, tuple(image.shape)
            if key not in passes:
                passes[key] = _build_weighted_pass(
                    weakref.ref(network), references[1], class_index
                )
            found.append(passes[key](image, stateless.get_values(one)))
        return found

    return run


def _describe(network) -> str | int:
    """Describe what a network computes but for its weights, or return its id."""
    try:
        return network.to_json()
    except NotImplementedError:  # a layer of the user's own without `get_config`
        return id(network)


def _build_weighted_pass(network, layer, class_index):
    """Return a traced pass, (image, values of all variables) -> as above."""

    def run(image, values):
        mapping = list(zip(network().variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            features, logits = forward_pass.forward(network(), layer(), image)
        if logits.shape[-1] != 2:
            raise errors.InputError(
                f"Expected models with 1 or 2 outputs. Received: `{network().name}` "
                f"{logits.shape}"
            )
        return (
            weigh(features, logits, class_index),
            weigh(features, logits, 1 - class_index),
            tf.cast(logits[:, class_index], tf.float32),
        )

    # Not laid into the caller's graph, where each model's would be optimised anew.
    alone = {"_noinline": True}
    return tf.function(run, autograph=False, experimental_attributes=alone)


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
