"""Show where a classifier looks: Grad-CAM in one traced pass, and other CAMs."""

import contextlib
import functools
import weakref

import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis import gradcam_plus_plus, layercam, saliency, scorecam

OTHER_METHODS = {
    "grad_cam++": gradcam_plus_plus.GradcamPlusPlus,
    "layer_cam": layercam.Layercam,
    "score_cam": scorecam.Scorecam,
    "smooth_grad": saliency.Saliency,
}

# Keeps a map without evidence at 0. A probability moves at most a quarter as far as
# its logit, so this is the 1e-7 that tf-keras-vis adds to the map of a probability.
EPSILON = 4e-7

_TRACES = weakref.WeakKeyDictionary()


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
    _, heatmaps = _explain(model, images, layer, class_index, batch_size)
    return heatmaps


def class_activation(model, images, layer=None, *, class_index=1, batch_size=16):
    """Compute the Grad-CAM of each image in logit units, neither cut nor scaled.

    At the layer before global average pooling and `logit`, the map of an image
    sums to its logit less the bias, so maps of several models can be averaged.

    Args and Raises as in `grad_cam`.

    Returns:
        float32 array (B, h, w), the size of the layer's feature map.
    """
    activations, _ = _explain(model, images, layer, class_index, batch_size)
    return activations


def other_cam(method, model, images, layer=None, **options):
    """Draw the heat maps of another method through tf-keras-vis.

    The last (positive) class is explained, on its logit. `smooth_grad` draws its
    noise from `numpy.random`. `score_cam` makes one prediction a channel and
    image: pass `max_N=10` for the ten most varied channels only.

    Args:
        method: str, a key of `OTHER_METHODS`.
        model: a functional or sequential classifier without a nested model.
        images: array (B, H, W, C) in the model's range, B at least 1.
        layer: name of the convolution to look at; None takes the last one.
        **options: handed to tf-keras-vis.

    Returns:
        float32 array (B, H, W) in [0, 1].

    Raises:
        ValueError: for another method, a nested model, or images of another shape.
    """
    if method not in OTHER_METHODS:
        raise ValueError(
            f"Expected `method` to be one of {', '.join(OTHER_METHODS)}. "
            f"Received: {method!r}"
        )
    images = _check_images(images)
    visualize = OTHER_METHODS[method](_build_logit_model(model))
    if method == "smooth_grad":
        options = {"smooth_samples": 20} | options
    else:
        options = {"penultimate_layer": layer} | options
    maps = [visualize(lambda z: z[:, -1], image[None], **options) for image in images]
    return np.concatenate(maps).astype(np.float32)


def _explain(model, images, layer, class_index, batch_size):
    """Run the traced pass in batches: raw maps and heat maps of all images."""
    images = _check_images(images)
    trace = _find_trace(model, _find_layer(model, layer), class_index, images.shape[1:])
    batches = [
        trace(tf.constant(images[start : start + batch_size]))
        for start in range(0, len(images), batch_size)
    ]
    activations, heatmaps = zip(*batches, strict=True)
    return np.concatenate(activations), np.concatenate(heatmaps)


def _check_images(images):
    """Return `images` as float32, or raise ValueError."""
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or not images.size:
        raise ValueError(
            f"Expected `images` of shape (B > 0, H, W, C). Received: {images.shape}"
        )
    return images


def _find_layer(model, layer):
    """Return the last layer meant by `layer`, looking into nested models too."""
    layers = list(_walk(model))
    for each in reversed(layers):
        is_last_conv = layer is None and isinstance(each, keras.layers.Conv2D)
        if is_last_conv or layer in (each, each.name):
            return each
    wanted = "a `Conv2D` layer" if layer is None else f"the layer {layer!r}"
    types = ", ".join(dict.fromkeys(type(each).__name__ for each in layers))
    raise ValueError(
        f"Expected a model with {wanted}. Received: `{model.name}` made of {types}"
    )


def _walk(model):
    """Yield the layers of a model in order, those of nested models included."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _walk(layer)
        else:
            yield layer


def _find_trace(model, layer, class_index, shape):
    """Return the compiled pass for this model, layer, class and image shape."""
    traces = _TRACES.setdefault(model, {})
    key = weakref.ref(layer), class_index, shape
    if key not in traces:
        traces[key] = _trace(weakref.ref(model), *key)
    return traces[key]


def _trace(model, layer, class_index, shape):
    """Compile images -> (raw map, heat map) of a weakly held model and layer."""

    def explain(images):
        features, gradient = _differentiate(model(), layer(), class_index, images)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)  # (B, 1, 1, C)
        activation = tf.reduce_sum(weights * features, axis=-1)  # (B, h, w)
        return activation, _normalize(_resize(tf.nn.relu(activation), *shape[:2]))

    function = tf.function(explain, autograph=False)
    return function.get_concrete_function(tf.TensorSpec((None, *shape), tf.float32))


def _differentiate(model, layer, class_index, images):
    """Return a layer's features and the gradient of the class's logit by them."""
    *_, last = _walk(model)
    with _recorded(layer, last) as calls:
        model(images, training=False)
    _, features = calls[layer]
    logits = _linear_output(last, *calls[last])
    if features.shape.rank != 4 or logits.shape.rank != 2:
        raise ValueError(
            f"Expected a layer (B, h, w, C) of a classifier (B, num_classes). "
            f"Received: `{layer.name}` {features.shape} of `{model.name}` "
            f"{logits.shape}"
        )
    if logits.shape[-1] == 1:  # one sigmoid: its negation speaks for class 0
        logits = tf.concat([-logits, logits], axis=-1)
    (gradient,) = tf.gradients(logits[:, class_index], features)
    return tf.cast(features, tf.float32), tf.cast(gradient, tf.float32)


@contextlib.contextmanager
def _recorded(*layers):
    """Map each layer, wherever it is nested, to the (input, output) of its call."""
    calls = {}

    def record(layer, call, inputs, *args, **kwargs):
        outputs = call(inputs, *args, **kwargs)
        calls[layer] = inputs, outputs
        return outputs

    layers = set(layers)
    for layer in layers:
        layer.call = functools.partial(record, layer, layer.call)
    try:
        yield calls
    finally:
        for layer in layers:
            del layer.call  # the method of its class again


def _linear_output(layer, inputs, outputs):
    """Undo the last layer's sigmoid or softmax, whose gradient may vanish."""
    activation = getattr(layer, "activation", None)
    if activation in (keras.activations.sigmoid, keras.activations.softmax):
        if isinstance(layer, keras.layers.Activation):
            return inputs
        if isinstance(layer, keras.layers.Dense):
            products = keras.ops.matmul(inputs, layer.kernel)
            return products + layer.bias if layer.use_bias else products
    return outputs


def _resize(maps, height, width):
    """Resize (B, h, w) to (B, height, width), bilinear with corners aligned."""
    rows = _interpolation(tf.shape(maps)[1], height)
    columns = _interpolation(tf.shape(maps)[2], width)
    return tf.einsum("yi,bij,xj->byx", rows, maps, columns)


def _interpolation(size, new_size):
    """Return the matrix (new_size, size) that interpolates `size` values."""
    position = tf.linspace(0.0, tf.cast(size - 1, tf.float32), new_size)
    distance = position[:, None] - tf.range(size, dtype=tf.float32)[None]
    return tf.nn.relu(1.0 - tf.abs(distance))


def _normalize(maps):
    """Scale each map (B, H, W) to [0, 1]; a constant one becomes 0."""
    low = tf.reduce_min(maps, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(maps, axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low + EPSILON)


def _build_logit_model(model):
    """Build the flat model of logits for tf-keras-vis, one logit z as (0, z)."""
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        raise ValueError(f"Expected no nested model. Received: `{model.name}`")
    last = model.layers[-1]
    logits = _linear_output(last, last.input, last.output)
    if logits.shape[-1] == 1:  # Score-CAM takes a softmax, constant over one class
        logits = keras.ops.concatenate([keras.ops.zeros_like(logits), logits], axis=-1)
    logit_model = keras.Model(model.inputs, logits)
    logit_model.predict = functools.partial(logit_model.predict, verbose=0)
    return logit_model
