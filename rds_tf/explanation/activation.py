"""Pass images through a classifier once: its logits, and the features behind them."""

import contextlib
import functools
import threading
import weakref

import keras
import tensorflow as tf

from rds_tf import errors

# Keeps a map without evidence at 0. A probability moves at most a quarter as far as
# its logit, so this is the 1e-7 that tf-keras-vis adds to the map of a probability.
EPSILON = 4e-7

_TRACES = weakref.WeakKeyDictionary()
_TRACING = threading.Lock()  # a layer's call is replaced while it is traced


def find_layer(model, layer=None):
    """Return the last layer meant by `layer`, looking into nested models too.

    Args:
        model: a Keras model.
        layer: name or layer; None takes the last `Conv2D`.

    Raises:
        ValueError: if the model has none.
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


def find_trace(build, model, layer, spec, *options):
    """Return the compiled pass of a model, compiled at the first call.

    Args:
        build: function (model, layer, *options) -> function of one tensor, or of a
            tuple of them, where model and layer are weak references.
        model: a Keras model. Its passes are forgotten with it.
        layer: one of its layers.
        spec: `tf.TensorSpec` of the images, or a tuple of them.
        *options: hashable, handed to `build`.

    Returns:
        A concrete `tf.function`, images of this spec -> what `build` gives.
    """
    key = build, weakref.ref(layer), spec, options
    with _TRACING:
        traces = _TRACES.setdefault(model, {})
        if key not in traces:
            run = build(weakref.ref(model), weakref.ref(layer), *options)
            function = tf.function(run, autograph=False)
            traces[key] = function.get_concrete_function(spec)
        return traces[key]


def forward(model, layer, images):
    """Pass images through a model, for use inside a trace.

    Args:
        model: a Keras classifier, nested or not.
        layer: one of its layers (B, h, w, C).
        images: tensor in the shape and range of the model.

    Returns:
        features (B, h, w, C) of the layer, and logits (B, num_classes) free of the
        last sigmoid or softmax. A model of one logit z gives (-z, z).

    Raises:
        ValueError: if layer or model have other shapes.
    """
    *_, last = walk(model)
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


def weigh(features, logits, class_index):
    """Weigh features by the mean gradient of a class's logit, inside a trace.

    Selvaraju et al. 2017, arXiv:1610.02391, before the rectification.

    Args:
        features, logits: from `forward`.
        class_index: int, the class explained.

    Returns:
        float32 tensor (B, h, w) in logit units.
    """
    (gradient,) = tf.gradients(logits[:, class_index], features)
    gradient = tf.cast(gradient, tf.float32)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)  # (B, 1, 1, C)
    return tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1)


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

    Args:
        layer: the last layer of a classifier.
        inputs, outputs: its tensors, symbolic or not, outputs (B, num_classes).

    Returns:
        The logits (B, num_classes); the outputs where there is nothing to undo.
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


def fit_image(image, model):
    """Fit one image to the channels and the fixed size of a model's input.

    Args:
        image: float32 tensor (1, H, W, C) in the model's range.
        model: a Keras model, (B, h, w, c) -> any; where h, w or c is None (or the
            model subclassed) the image is left as it is.

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
    """Resize (B, h, w) to (B, height, width), bilinear with corners aligned."""
    return make_resizer(height, width)(maps)


def make_resizer(height, width):
    """Return `resize` to one size; maps of equal size share the matrices it takes."""
    known = {}

    def run(maps):
        size = tuple(maps.shape[1:3])
        matrices = known.get(size)
        if matrices is None:
            lengths = tf.unstack(tf.shape(maps)[1:3]) if None in size else size
            ends = zip(lengths, (height, width), strict=True)
            matrices = [_interpolation(*pair) for pair in ends]
            if None not in size:
                known[size] = matrices
        rows, columns = matrices
        return tf.einsum("yi,bij,xj->byx", rows, maps, columns)

    return run


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
