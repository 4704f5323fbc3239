"""Build the RDS classifier: EfficientNet Lite0, B0, B3 or B5, one probability."""

import contextlib
import io
import socket

import efficientnet.tfkeras as efn
import keras

from rds_tf import errors
from rds_tf.classification import lite0

BACKBONES = ("Lite0", "B0", "B3", "B5")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STALL_SECONDS = 20  # of a connection, before the weights are given up


def build_classifier(backbone="B0", image_size=224, dropout=0.2):
    """Build an EfficientNet that gives the probability of RDS.

    The model is flat: every layer can be reached by name. It ends with the layers
    `logit` (linear) and `probability` (sigmoid), both float32 whatever the precision
    policy. Tan and Le 2019, arXiv:1905.11946.

    Args:
        backbone: str, one of `BACKBONES`.
        image_size: int, height and width in px, at least 32.
        dropout: float in [0, 1), how many of the features are dropped before `logit`.

    Returns:
        A functional `keras.Model`, (B, S, S, 1) in [0, 1] -> (B, 1) in [0, 1].

    Raises:
        ValueError: for another backbone, or an image below 32 px.
    """
    inputs = keras.Input((image_size, image_size, 1), name="image")
    features = _build_features(backbone, inputs)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    logit = keras.layers.Dense(1, dtype="float32", name="logit")(x)
    probability = keras.layers.Activation(
        "sigmoid", dtype="float32", name="probability"
    )(logit)
    return keras.Model(inputs, probability, name=f"efficientnet_{backbone.lower()}")


def make_builder(*, lend=False):
    """Return a `build_classifier` that makes use of what it has built before.

    It draws other random weights than a second build would, so this is for models
    whose weights are loaded.

    Args:
        lend: bool, return the very model again, for a `stateless.StatelessModel` of
            it; else a copy, which takes half the time of a second build.
    """
    built = {}

    def build(**architecture):
        key = tuple(sorted(architecture.items()))
        if key not in built:
            built[key] = build_classifier(**architecture)
        elif not lend:
            inputs = keras.Input(built[key].input_shape[1:], name="image")
            return keras.models.clone_model(built[key], input_tensors=inputs)
        return built[key]

    return build


def load_start(model, backbone="B0", path=None):
    """Start a classifier from ImageNet where the weights are here or can be fetched.

    Args:
        model: a model of `build_classifier`, changed in place.
        backbone: str, the backbone it was built with. B0, B3 and B5 are fetched by
            `keras.applications`, Lite0 is on this machine or not.
        path: for Lite0, the file of the weights, as in `lite0.find_weights`.

    Returns:
        (start, warning): `("imagenet", "")`, or `("scratch", cause)` and the model as
        it was.

    Raises:
        InputError: the backbone's weights are not read from a file.
    """
    if backbone == "Lite0":
        try:
            lite0.copy_weights(model, lite0.read_weights(path))
        except errors.InputError as error:
            return "scratch", str(error)
        return "imagenet", ""
    if path is not None:
        raise errors.InputError(f"Only Lite0 reads its weights from {path}.")
    return _fetch_start(model, backbone)


def _fetch_start(model, backbone):
    """Fetch the weights by `keras.applications`; return as `load_start` does."""
    build = getattr(keras.applications, f"EfficientNet{backbone}")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Keras' own progress bar
            source = build(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception for a dead URL
        cause = str(error).rpartition(" -- ")[2]
        return "scratch", f"ImageNet weights could not be fetched ({cause})"
    finally:
        socket.setdefaulttimeout(timeout)
    copy_features(source, model)
    return "imagenet", ""


def copy_features(source, model):
    """Copy every weighted layer of `source` into its namesake in `model`.

    The `efficientnet` package's own download is gone. `keras.applications` keeps
    the same layers under the same names; only its input stage differs (and has
    one layer more with weights than without), so that stage is not copied.

    Args:
        source: an EfficientNet of `keras.applications` without its top.
        model: a model of `build_classifier`, changed in place.

    Returns:
        int, number of layers copied (130 for B0, 208 for B3, 310 for B5).

    Raises:
        InputError: layers or shapes differ; the model is unchanged.
    """
    ours = _weight_shapes(model)
    theirs = _weight_shapes(source)
    ours.pop("logit")
    if ours != theirs:
        differing = sorted(
            name for name in ours | theirs if ours.get(name) != theirs.get(name)
        )
        raise errors.InputError(
            f"Expected `{source.name}` to have the weights of `{model.name}`. "
            f"Received: {len(differing)} layers that differ, first {differing[0]!r}"
        )
    for name in ours:
        model.get_layer(name).set_weights(source.get_layer(name).get_weights())
    return len(ours)


def _build_features(backbone, inputs):
    """Lay the backbone onto `inputs`, grey to normalised RGB before its stem."""
    if backbone not in BACKBONES:
        raise errors.InputError(
            f"Expected `backbone` to be one of {', '.join(BACKBONES)}. "
            f"Received: {backbone!r}"
        )
    if backbone == "Lite0":
        return lite0.build_features(_normalize_lite(inputs))
    _, height, width, _ = inputs.shape
    network = getattr(efn, f"EfficientNet{backbone}")(
        include_top=False, weights=None, input_shape=(height, width, 3)
    )

    def call(layer, *args, **kwargs):
        if layer.name == "stem_conv":
            args = (_normalize_imagenet(*args),)
        return layer(*args, **kwargs)

    # The package's own `input_tensor` refuses Keras 3 tensors; a clone takes them.
    return keras.models.clone_model(
        network, input_tensors=inputs, call_function=call
    ).output


def _normalize_imagenet(image):
    """Turn (B, S, S, 1) in [0, 1] into the three channels of ImageNet."""
    rgb = keras.layers.Concatenate(name="rgb")([image, image, image])
    variance = [std**2 for std in IMAGENET_STD]
    return keras.layers.Normalization(
        mean=IMAGENET_MEAN, variance=variance, name="imagenet_scale"
    )(rgb)


def _normalize_lite(image):
    """Turn (B, S, S, 1) in [0, 1] into the three channels of Lite0."""
    rgb = keras.layers.Concatenate(name="rgb")([image, image, image])
    return keras.layers.Rescaling(255 / 128, -127 / 128, name="imagenet_scale")(rgb)


def _weight_shapes(model):
    """Map each weighted layer's name to its shapes, the input stage left out."""
    return {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights and not isinstance(layer, keras.layers.Normalization)
    }
