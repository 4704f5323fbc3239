"""One forward pass through a classifier: its logits, and the features behind them.

`forward` is that pass, for use inside a traced function; `compile_once` keeps the
traced function; `find_layer` finds the layer whose features are wanted.
"""

import contextlib
import functools
import threading
import weakref

import keras
import numpy as np
import tensorflow as tf

from rds_tf import errors

_TRACES = weakref.WeakKeyDictionary()
_TRACING = threading.Lock()  # a layer's call is replaced while it is traced


def forward(model, layer, images):
    """Pass images through a classifier, nested or not, for use inside a trace.

    Returns:
        features (B, h, w, C) of `layer`, and logits (B, num_classes) free of the
        last sigmoid or softmax. A model of one logit z gives (-z, z).

    Raises:
        ValueError: if layer or model have other shapes.
    """
    *_, last = walk(model)
    # A model of its own from input to `layer` would not reach into nested models.
    with _recorded(layer, last) as calls:
        model(images, training=False)
    _, features = calls[layer]
    logits = linear_output(last, *calls[last])
    if features.shape.rank != 4 or logits.shape.rank != 2:
        raise errors.InputError(
            f"Expected a layer (B, h, w, C) of a classifier (B, num_classes). "
            f"Received: `{layer.name}` {features.shape} of `{model.name}` "
            f"{logits.shape}"
        )
    if logits.shape[-1] == 1:  # one sigmoid: its negation speaks for class 0
        logits = tf.concat([-logits, logits], axis=-1)
    return features, logits


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


def linear_output(layer, inputs, outputs):
    """Undo the last layer's sigmoid or softmax, whose gradient may vanish.

    Return the logits (B, num_classes), the outputs where there is nothing to undo.
    """
    if isinstance(layer, keras.layers.Softmax):
        return inputs
    activation = getattr(layer, "activation", None)
    if activation in (keras.activations.sigmoid, keras.activations.softmax):
        if isinstance(layer, keras.layers.Activation):
            return inputs
        if isinstance(layer, keras.layers.Dense):
            products = keras.ops.matmul(inputs, layer.kernel)
            return products + layer.bias if layer.use_bias else products
    return outputs


def check_images(images):
    """Return `images` as float32 (B, H, W, C), or raise ValueError."""
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or not images.size:
        raise errors.InputError(
            f"Expected `images` of shape (B > 0, H, W, C). Received: {images.shape}"
        )
    return images


def find_layer(model, layer=None):
    """Return the last layer meant by `layer`, looking into nested models too.

    It is a layer or its name; None takes the last `Conv2D`. ValueError if there is
    none.
    """
    layers = list(walk(model))
    for each in reversed(layers):
        is_last_conv = layer is None and isinstance(each, keras.layers.Conv2D)
        if is_last_conv or layer in (each, each.name):
            return each
    wanted = "a `Conv2D` layer" if layer is None else f"the layer {layer!r}"
    types = ", ".join(dict.fromkeys(type(each).__name__ for each in layers))
    raise errors.InputError(
        f"Expected a model with {wanted}. Received: `{model.name}` made of {types}"
    )


def walk(model):
    """Yield the layers of a model in order, those of nested models included."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from walk(layer)
        else:
            yield layer


def compile_once(build, model, layer, spec, *options):
    """Return the compiled pass of a model; it is compiled at the first call.

    Args:
        build: function (model, layer, *options) -> function of one tensor, or of a
            tuple of them. It gets weak references to model and layer: a strong one
            in the cache would keep the model in memory for ever.
        model, layer: a Keras model and one of its layers.
        spec: `tf.TensorSpec` of the images, or a tuple of them.
        *options: hashable, handed to `build`.
    """
    key = build, weakref.ref(layer), spec, options
    with _TRACING:
        traces = _TRACES.setdefault(model, {})
        if key not in traces:
            run = build(weakref.ref(model), weakref.ref(layer), *options)
            function = tf.function(run, autograph=False)
            traces[key] = function.get_concrete_function(spec)
        return traces[key]
