"""The picture of a diagnosis: the film with its lungs, its heat map and a caption."""

from pathlib import Path

import cv2
import numpy as np

from rds_tf import engine, overlay
from rds_tf.data import preprocessing

LONGEST_PX = 1024
# A third smaller than by OpenCV's defaults, and sooner.
PNG = (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB)


def draw(found) -> np.ndarray:
    """Draw a film with its lungs, its heat map and a caption below.

    The caption says decision and probability, and why a film is not decided.

    Args:
        found: a `diagnose.Diagnosis`.

    Returns:
        uint8 RGB `(H', W', 3)`, the film's longer side at most `LONGEST_PX`.
    """
    scale = min(1.0, LONGEST_PX / max(found.image.shape))
    size = tuple(max(1, round(side * scale)) for side in found.image.shape[::-1])
    film = cv2.resize(found.image, size, interpolation=cv2.INTER_AREA)
    mask, heat = (cv2.resize(layer, size) for layer in (found.mask, found.heatmap))
    said = f"{found.verdict}, probability {found.probability:.2f}"
    caption = "\n".join([said, *found.doubts])
    return overlay.draw_overlay(preprocessing.stretch(film), mask, heat, caption)


def write(path: Path, picture: np.ndarray) -> None:
    """Write a picture of `draw` as PNG.

    Raises:
        OSError: if it cannot be encoded or written.
    """
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    whole, content = cv2.imencode(".png", bgr, PNG)
    if not whole:
        raise OSError(f"{path}: the picture cannot be encoded as PNG.")
    engine.write_whole(path, content.tobytes())
