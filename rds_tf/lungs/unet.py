"""U-Net for lung segmentation, and its loss.

The plain U-Net of the study (Ronneberger et al., MICCAI 2015) with batch
normalisation, or a U-Net of `segmentation_models` on any of its encoders.
"""

import contextlib
import io

import keras
from keras import layers, ops

from rds_tf import errors


def build_unet(
    image_size: int = 256,
    encoder: str = "plain",
    filters: int = 16,
    depth: int = 4,
    num_masks: int = 1,
):
    """Build an uncompiled U-Net for one-channel radiographs.

    Args:
        image_size: int, height and width in pixels, a multiple of `2**depth` (of 32
            for encoders of `segmentation_models`).
        encoder: str, `"plain"`, or an encoder of `segmentation_models` such as
            `"efficientnetb0"` or `"resnet18"`.
        filters: int, filters of the first level of the plain U-Net, doubled per level.
        depth: int, number of halvings of the plain U-Net.
        num_masks: int, masks predicted from one image, such as the lungs with and
            without the part behind the heart.

    Returns:
        `keras.Model` from images `(B, H, W, 1)` in `[0, 1]` to float32 lung
        probabilities `(B, H, W, num_masks)` in `[0, 1]`.

    Raises:
        ValueError: if `image_size` does not fit, or the encoder is unknown.
    """
    multiple = 2**depth if encoder == "plain" else 32
    if image_size % multiple:
        raise errors.InputError(
            f"`image_size` must be a multiple of {multiple}. Received: {image_size}"
        )
    inputs = keras.Input((image_size, image_size, 1), name="image")
    if encoder == "plain":
        features = _plain(inputs, filters, depth)
    else:
        features = _segmentation_models(inputs, encoder)
    logit = layers.Conv2D(num_masks, 1, dtype="float32", name="logit")(features)
    probability = layers.Activation("sigmoid", dtype="float32", name="probability")
    return keras.Model(inputs, probability(logit), name=f"unet_{encoder}")


def choose_mask(model, index: int):
    """Return a model of one mask out of those that a U-Net predicts together."""
    return keras.Model(model.input, model.output[..., index : index + 1])


def _plain(inputs, filters: int, depth: int):
    """Return decoder features `(B, H, W, filters)` of the plain U-Net."""
    x = inputs
    skips = []
    for level in range(depth):
        skips.append(_conv_block(x, filters * 2**level, f"down{level}"))
        x = layers.MaxPooling2D(name=f"pool{level}")(skips[-1])
    x = _conv_block(x, filters * 2**depth, "bottom")
    for level in reversed(range(depth)):
        x = layers.UpSampling2D(interpolation="bilinear", name=f"grow{level}")(x)
        x = layers.Concatenate(name=f"skip{level}")([x, skips[level]])
        x = _conv_block(x, filters * 2**level, f"up{level}")
    return x


def _conv_block(x, filters: int, name: str):
    """Apply two 3x3 Conv-BN-ReLU units: `(B, H, W, C)` to `(B, H, W, filters)`."""
    for unit in (1, 2):
        x = layers.Conv2D(
            filters, 3, padding="same", use_bias=False, name=f"{name}_conv{unit}"
        )(x)
        x = layers.BatchNormalization(momentum=0.95, name=f"{name}_bn{unit}")(x)
        x = layers.ReLU(name=f"{name}_relu{unit}")(x)
    return x


def _segmentation_models(inputs, encoder: str):
    """Return decoder features `(B, H, W, 16)` of a `segmentation_models` U-Net."""
    with (
        errors.require_extra("notebooks", "That `encoder`", "segmentation-models"),
        contextlib.redirect_stdout(io.StringIO()),  # it prints its framework
    ):
        import segmentation_models

    known = segmentation_models.get_available_backbone_names()
    if encoder not in known:
        raise errors.InputError(
            f"`encoder` must be 'plain' or one of {known}. Received: {encoder!r}"
        )
    rgb = layers.Concatenate(name="grey_to_rgb")([inputs] * 3)
    network = segmentation_models.Unet(
        encoder,
        input_shape=(*inputs.shape[1:3], 3),
        encoder_weights=None,
        classes=1,
        activation="linear",
    )
    # All but its own last convolution and activation.
    decoder = keras.Model(network.input, network.layers[-3].output, name=encoder)
    return decoder(rgb)


@keras.saving.register_keras_serializable("rds_tf")
class DiceBCE(keras.losses.Loss):
    """Dice loss plus binary cross-entropy, both in float32.

    Dice is taken per image over the foreground with smoothing 1e-5, as in nnU-Net
    (Isensee et al., Nature Methods 2021).
    """

    def __init__(self, name="dice_bce", **kwargs):
        """Name the loss; the rest goes to `keras.losses.Loss`."""
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        """Return one loss an image, `(B,)`; several masks count as one."""
        y_true = ops.cast(y_true, "float32")
        y_pred = ops.cast(y_pred, "float32")
        axes = (1, 2, 3)
        overlap = 2 * ops.sum(y_true * y_pred, axes) + 1e-5
        dice = overlap / (ops.sum(y_true, axes) + ops.sum(y_pred, axes) + 1e-5)
        bce = keras.losses.binary_crossentropy(y_true, y_pred)
        return 1 - dice + ops.mean(bce, axis=(1, 2))


@keras.saving.register_keras_serializable("rds_tf")
class LungIoU(keras.metrics.Mean):
    """Mean over images of the IoU of thresholded lungs."""

    def __init__(self, name="lung_iou", **kwargs):
        """Name the metric; the rest goes to `keras.metrics.Mean`."""
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of masks and probabilities, both `(B, H, W, 1)`."""
        true = ops.cast(y_true > 0.5, "float32")
        predicted = ops.cast(y_pred > 0.5, "float32")
        axes = (1, 2, 3)
        overlap = ops.sum(true * predicted, axes)
        union = ops.sum(ops.maximum(true, predicted), axes)
        return super().update_state((overlap + 1e-5) / (union + 1e-5), sample_weight)
