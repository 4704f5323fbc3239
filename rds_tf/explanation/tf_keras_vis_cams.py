"""Draw heat maps by the methods of tf-keras-vis, of nested models too."""

import functools
import importlib

import keras
import numpy as np

from rds_tf import errors
from rds_tf.explanation import forward_pass

METHODS = {  # module and class of tf-keras-vis, loaded when first used
    "grad_cam++": ("gradcam_plus_plus", "GradcamPlusPlus"),
    "layer_cam": ("layercam", "Layercam"),
    "score_cam": ("scorecam", "Scorecam"),
    "smooth_grad": ("saliency", "Saliency"),
}


def draw(method, model, images, layer=None, *, class_index=-1, **options):
    """Draw the heat maps of another method through tf-keras-vis.

    The class is explained on its logit. `smooth_grad` draws its noise from
    `numpy.random`. `score_cam` makes one prediction a channel and image: pass
    `max_N=10` for the ten most varied channels only.

    Args:
        method: str, a key of `METHODS`.
        model, images, layer: as in `grad_cam.grad_cam`; no subclassed model.
        class_index: int, the class explained; -1 is the last (positive) one.
        **options: handed to tf-keras-vis.

    Returns:
        float32 array (B, H, W) in [0, 1].

    Raises:
        ValueError: for another method, or as in `grad_cam.grad_cam`.
        MissingPackageError: if tf-keras-vis is not installed.
    """
    if method not in METHODS:
        raise errors.InputError(
            f"Expected `method` to be one of {', '.join(METHODS)}. Received: {method!r}"
        )
    images = forward_pass.check_images(images)
    if not model.built:
        model.build((None, *images.shape[1:]))
    layer = None if method == "smooth_grad" else forward_pass.find_layer(model, layer)
    flat, marker = _build_flat(model, layer, method == "score_cam")
    visualize = load_method(method)(flat)
    if method == "smooth_grad":
        options = {"smooth_samples": 20} | options
    else:
        options |= {"penultimate_layer": marker, "seek_penultimate_conv_layer": False}
    maps = [
        visualize(lambda z: z[:, class_index], image[None], **options)
        for image in images
    ]
    return np.concatenate(maps).astype(np.float32)


def load_method(method):
    """Return the class of tf-keras-vis that draws the maps of a method."""
    module, name = METHODS[method]
    with errors.require_extra("notebooks", f"`{method}`", "tf-keras-vis"):
        return getattr(importlib.import_module(f"tf_keras_vis.{module}"), name)


def _build_flat(model, layer, is_softmax):
    """Build a flat model of logits that shares the layers of `model`.

    tf-keras-vis does not look into nested models, and takes a layer's output where
    it was called first, so an identity marks the layer's place in the flat model.
    One logit z becomes (0, z) where the method takes a softmax, as Score-CAM does;
    else (-z, z), so that either class has a gradient.
    """
    *_, last = forward_pass.walk(model)
    marker = keras.layers.Identity()
    calls = {}

    def call(each, inputs, *args, **kwargs):
        if isinstance(each, keras.Sequential):
            return functools.reduce(lambda x, part: call(part, x), each.layers, inputs)
        if isinstance(each, keras.Model):
            bare = keras.Model(each.inputs, each.output)  # without what compile() added
            return keras.models.clone_model(
                bare,
                input_tensors=keras.tree.flatten(inputs),
                clone_function=lambda part: part,
                call_function=call,
            ).output
        outputs = each(inputs, *args, **kwargs)
        if each is layer:
            outputs = marker(outputs)
        calls[each] = inputs, outputs
        return outputs

    (given,) = model.inputs
    inputs = keras.Input(batch_shape=given.shape, dtype=given.dtype)
    call(model, inputs)
    logits = forward_pass.linear_output(last, *calls[last])
    if logits.shape[-1] == 1:
        opposite = keras.ops.zeros_like(logits) if is_softmax else -logits
        logits = keras.ops.concatenate([opposite, logits], axis=-1)
    flat = keras.Model([inputs], logits)
    flat.predict = functools.partial(flat.predict, verbose=0)
    return flat, marker
