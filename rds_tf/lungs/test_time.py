"""Forward passes of a U-Net over films of any size, lying at any angle."""

import numpy as np

from rds_tf.data import preprocessing
from rds_tf.lungs import cropping, postprocess

BATCH_SIZE = 16
UPRIGHT_MARGIN = 0.15  # of the lungs' longer side, left around them


def predict(model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Predict lung probabilities, one pass.

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
    """Predict four exact quarter turns, each turned back (four passes, one call).

    Their mean is test-time rotation: it turns with a film that is turned by 90, 180
    or 270 degrees, exactly.

    Returns:
        float32 `(4, H, W)` a film, the film as it is first.
    """
    turned = [
        np.ascontiguousarray(np.rot90(image, quarter))
        for image in images
        for quarter in range(4)
    ]
    found = predict(model, turned)
    back = [np.rot90(one, -(place % 4)) for place, one in enumerate(found)]
    return [np.stack(back[start : start + 4]) for start in range(0, len(back), 4)]


def predict_upright(
    model, images: list[np.ndarray], first: list[np.ndarray]
) -> list[np.ndarray]:
    """Turn each infant upright by its first mask and segment again (two passes).

    The film is cropped to the first mask with a margin, so that the lungs fill the
    network's square at any angle; it is segmented as it stands and mirrored.

    Args:
        model: U-Net from `unet.build_unet` with one mask.
        images: float32 `(H, W)` in `[0, 1]`.
        first: uint8 `(H, W)` of {0, 1}, lungs found before.

    Returns:
        float32 `(2, H, W)` a film, laid back onto it.
    """
    windows = [
        cropping.choose_crop(image, mask, "combined", UPRIGHT_MARGIN)
        for image, mask in zip(images, first, strict=True)
    ]
    size = model.input_shape[1]
    squares = [w.cut(image, size) for w, image in zip(windows, images, strict=True)]
    both = _predict_squares(model, squares + [square[:, ::-1] for square in squares])
    straight, mirrored = both[: len(squares)], both[len(squares) :]
    return [
        np.stack([window.put_back(one), window.put_back(other[:, ::-1].copy())])
        for window, one, other in zip(windows, straight, mirrored, strict=True)
    ]


def clean(probability: np.ndarray) -> np.ndarray:
    """Threshold, median-filter, keep two lungs without holes: the `median` step."""
    mask = (probability > 0.5).astype("uint8")
    return postprocess.keep_two_lungs(postprocess.median_filter(mask))
