"""What a network sees of a film: proportions kept, exposure taken out."""

from pathlib import Path

import cv2
import numpy as np

from rds_tf.storage import model_store

DESCRIPTION = "letterbox to a square, stretch percentiles 1 to 99 to [0, 1]"
SQUARE = 0.01


def make_square(layer: np.ndarray, pixel_ratio: float) -> np.ndarray:
    """Resample a film, or a layer of it, to square pixels: the longer side is split.

    Args:
        layer: `(H, W)` float32, or uint8 of {0, 1}, a mask.
        pixel_ratio: height of a pixel by its width.

    Returns:
        `(H', W)` or `(H, W')`; the layer itself where its pixels are square.
    """
    if is_square(pixel_ratio):
        return layer
    height, width = layer.shape
    size = (width, max(1, round(height * pixel_ratio)))
    if pixel_ratio < 1:
        size = (max(1, round(width / pixel_ratio)), height)
    method = cv2.INTER_NEAREST if layer.dtype == np.uint8 else cv2.INTER_LINEAR
    return cv2.resize(layer, size, interpolation=method)


def is_square(pixel_ratio: float) -> bool:
    """Say whether a pixel is square to 1 %, one of the 128 rows that a network sees."""
    return abs(pixel_ratio - 1) <= SQUARE


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """Scale `(H, W)` into a black square `(size, size)`, proportions kept."""
    square = np.zeros((size, size), image.dtype)
    window = square[_find_window(image.shape, size)]
    method = cv2.INTER_AREA if size < max(image.shape) else cv2.INTER_LINEAR
    window[:] = cv2.resize(image, window.shape[::-1], interpolation=method)
    return square


def unletterbox(square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Undo `letterbox`: `(size, size)` back to `shape` (H, W)."""
    window = square[_find_window(shape, len(square))]
    return cv2.resize(window, shape[::-1], interpolation=cv2.INTER_LINEAR)


def _find_window(shape: tuple[int, int], size: int) -> tuple[slice, slice]:
    """Return the rows and columns of the square that an image of `shape` fills."""
    scale = size / max(shape)
    inner = [max(1, round(side * scale)) for side in shape]
    top, left = [(size - side) // 2 for side in inner]
    return slice(top, top + inner[0]), slice(left, left + inner[1])


def stretch(image: np.ndarray) -> np.ndarray:
    """Map percentiles 1 and 99 of the exposed pixels to 0 and 1, and clip."""
    exposed = image[image > 0.004 * image.max()]
    if exposed.size < 16:
        return np.zeros_like(image, "float32")
    low, high = np.percentile(exposed, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-3), 0, 1).astype("float32")


def preprocess(image: np.ndarray, size: int) -> np.ndarray:
    """Turn a radiograph `(H, W)` in `[0, 1]` into network input `(size, size)`."""
    return stretch(letterbox(image.astype("float32"), size))


def check_manifest(manifest: dict, folder: str | Path) -> None:
    """Refuse a model, by its manifest, whose films were prepared in another way.

    Raises:
        model_store.ModelError: its manifest names another preprocessing.
    """
    named = manifest.get("preprocessing", DESCRIPTION)
    if named != DESCRIPTION:
        raise model_store.ModelError(
            f"{folder}: was trained on films prepared by {str(named)[:80]!r}, "
            f"this version prepares them by {DESCRIPTION!r}."
        )
