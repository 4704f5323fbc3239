"""What a network sees of a film: proportions kept, exposure taken out."""

import cv2
import numpy as np

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
    low, high = np.percentile(exposed, (1, 99))
    return np.clip((image - low) / max(high - low, 1e-3), 0, 1).astype("float32")


def preprocess(image: np.ndarray, size: int) -> np.ndarray:
    """Turn a radiograph `(H, W)` in `[0, 1]` into network input `(size, size)`."""
    return stretch(letterbox(image.astype("float32"), size))
