"""Test-time augmentation: a U-Net predicts an image turned, mirrored and upright.

`predict` is the plain prediction, `predict_turned` averages out the direction in which
the infant lies, `predict_upright` turns the infant upright and looks again.
"""

import numpy as np

from rds_tf.data import preprocessing
from rds_tf.lungs import cropping, postprocess

BATCH_SIZE = 16
UPRIGHT_MARGIN = 0.15  # of the lungs' longer side, left around them


def predict(model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Predict lung probabilities, one forward pass an image.

    Args:
        model: U-Net from `unet.build_unet` with one mask.
        images: float32 `(H, W)` in `[0, 1]`, of any sizes.

    Returns:
        float32 `(H, W)` in `[0, 1]`, each of its image's size.
    """
    size = model.input_shape[1]
    squares = [preprocessing.preprocess(image, size) for image in images]
    pairs = zip(_predict_squares(model, squares), images, strict=True)
    return [preprocessing.unletterbox(square, image.shape) for square, image in pairs]


def _predict_squares(model, squares: list[np.ndarray]) -> list[np.ndarray]:
    """Predict network inputs `(size, size)` in batches, `(size, size)` each."""
    probabilities = []
    for start in range(0, len(squares), BATCH_SIZE):
        batch = np.stack(squares[start : start + BATCH_SIZE])[..., None]
        probabilities.extend(model.predict_on_batch(batch)[..., 0])
    return probabilities


def predict_turned(model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Predict each image in four quarter turns, each turned back: four passes.

    Quarter turns resample nothing. Their mean turns with an image that is turned by
    90, 180 or 270 degrees, exactly.

    Returns:
        float32 `(4, H, W)` for each image; the first is that of the image as it is.
    """
    turned = [
        np.ascontiguousarray(np.rot90(image, quarter))
        for image in images
        for quarter in range(4)
    ]
    found = predict(model, turned)
    # Image after image, quarter after quarter, as they were stacked above.
    restored = [np.rot90(one, -(index % 4)) for index, one in enumerate(found)]
    return [np.stack(restored[start : start + 4]) for start in range(0, len(found), 4)]


def predict_upright(
    model, images: list[np.ndarray], masks: list[np.ndarray]
) -> list[np.ndarray]:
    """Turn each infant upright by a first mask and segment again: two passes.

    The image is cropped to the first mask with a margin, so that the lungs fill the
    network's square at any angle. The crop is predicted as it is and mirrored.

    Args:
        model, images: as in `predict`.
        masks: uint8 `(H, W)` of {0, 1}, the lungs found before.

    Returns:
        float32 `(2, H, W)` for each image, in the image's own orientation.
    """
    crops = [
        cropping.choose_crop(image, mask, "combined", UPRIGHT_MARGIN)
        for image, mask in zip(images, masks, strict=True)
    ]
    size = model.input_shape[1]
    squares = [crop.cut(image, size) for crop, image in zip(crops, images, strict=True)]
    both = _predict_squares(model, squares + [square[:, ::-1] for square in squares])
    plain, mirrored = both[: len(squares)], both[len(squares) :]
    return [
        # The copy: OpenCV takes no array with negative strides.
        np.stack([crop.put_back(one), crop.put_back(other[:, ::-1].copy())])
        for crop, one, other in zip(crops, plain, mirrored, strict=True)
    ]


def clean(probability: np.ndarray) -> np.ndarray:
    """Threshold at 0.5, median-filter, keep two lungs without holes: `median`."""
    mask = (probability > 0.5).astype("uint8")
    return postprocess.keep_two_lungs(postprocess.median_filter(mask))
