"""What a network sees of a film: proportions kept, exposure taken out."""

from pathlib import Path

import cv2
import numpy as np

from rds_tf.storage import model_store

DESCRIPTION = "letterbox to a square, stretch percentiles 1 to 99 to [0, 1]"


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """Scale `(H, W)` into a black square `(size, size)`, proportions kept."""
    height, width = image.shape
    scale = size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(image, inner, interpolation=method)
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    square = np.zeros((size, size), scaled.dtype)
    square[top : top + inner[1], left : left + inner[0]] = scaled
    return square


def unletterbox(square: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Undo `letterbox`: `(size, size)` back to `shape` (H, W)."""
    size = square.shape[0]
    height, width = shape
    scale = size / max(height, width)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
    window = square[top : top + inner[1], left : left + inner[0]]
    return cv2.resize(window, (width, height), interpolation=cv2.INTER_LINEAR)


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
    """Refuse a model whose films were prepared otherwise than `preprocess` does.

    Args:
        manifest: of the model; one that says nothing of preprocessing passes.
        folder: of the model, for the message.

    Raises:
        model_store.ModelError: if it names another preprocessing.
    """
    named = manifest.get("preprocessing", DESCRIPTION)
    if named != DESCRIPTION:
        raise model_store.ModelError(
            f"{folder}: was trained on films prepared by {str(named)[:80]!r}, "
            f"this version prepares them by {DESCRIPTION!r}."
        )
