"""Lungs and heat map drawn over a radiograph: the overlay of a diagnosis."""

import math

import cv2
import matplotlib
import numpy as np

from rds_tf import config, errors

OUTLINE = "#00e5ff"  # cyan: apart from grey bone and from red to yellow heat


def draw_overlay(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    heatmap: np.ndarray | None = None,
    caption: str = "",
) -> np.ndarray:
    """Draw the overlay of one diagnosis: image, lungs, heat map, caption below.

    The last line of the caption is always `config.NOT_FOR_CLINICAL_USE`.

    Args:
        image: array `(H, W)` in `[0, 1]`.
        mask: array `(H, W)` of 0 and 1; default none.
        heatmap: array `(H, W)` in `[0, 1]`; the image stays grey where it is 0.
        caption: text; characters outside ASCII are drawn as `?`.

    Returns:
        uint8 RGB array `(H + caption, W, 3)`; an image narrower than 512 pixels is
        enlarged by a whole factor first, so that its caption can be read.

    Raises:
        ValueError: if mask or heat map are of another size than the image.
    """
    rgb = draw_layers(image, mask, heatmap)
    return np.concatenate([rgb, _draw_caption(caption, rgb.shape[1])])


def draw_layers(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    heatmap: np.ndarray | None = None,
    outline_px: int | None = None,
) -> np.ndarray:
    """Draw what `draw_overlay` does without the caption, `(H, W, 3)`.

    `outline_px` is the width of the outline, by default a 400th of the image's.
    """
    check_layers(image, mask, heatmap)
    factor = math.ceil(512 / image.shape[1])
    rgb = np.rint(255 * blend_heat(image, heatmap)).astype(np.uint8)
    if factor > 1:  # whole pixels, so that none of the image's greys is invented
        rgb = np.repeat(np.repeat(rgb, factor, axis=0), factor, axis=1)
    if mask is not None:
        width = outline_px or max(1, rgb.shape[1] // 400)
        colour = [round(255 * part) for part in matplotlib.colors.to_rgb(OUTLINE)]
        lines = [outline * factor + factor // 2 for outline in find_outlines(mask)]
        cv2.polylines(rgb, lines, True, colour, width, cv2.LINE_AA)
    return rgb


def _draw_caption(caption: str, width: int) -> np.ndarray:
    """Draw wrapped white text on black, the clinical-use line last: `(H, W, 3)`."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, width / 1000
    thickness, step, margin = max(1, width // 700), width // 26, width // 50
    lines = []
    # Words go onto the last line while it has room for them.
    for paragraph in [*caption.splitlines(), config.NOT_FOR_CLINICAL_USE]:
        lines.append("")
        for word in paragraph.encode("ascii", "replace").decode().split():
            longer = f"{lines[-1]} {word}".strip()
            (length, _), _ = cv2.getTextSize(longer, font, scale, thickness)
            if length <= width - 2 * margin or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
    strip = np.zeros((step * len(lines) + 2 * margin, width, 3), np.uint8)
    for row, line in enumerate(lines):
        place = (margin, margin + step * row + round(0.75 * step))
        white = (255, 255, 255)
        cv2.putText(strip, line, place, font, scale, white, thickness, cv2.LINE_AA)
    return strip


def check_layers(image: np.ndarray, mask=None, heatmap=None) -> None:
    """Raise ValueError unless all layers have the size of the image."""
    for name, layer in (("image", image), ("mask", mask), ("heatmap", heatmap)):
        if layer is not None and (layer.ndim != 2 or layer.shape != image.shape):
            raise errors.InputError(
                f"`{name}` must be an array (H, W) of the size of `image`. Received: "
                f"{layer.shape}, with an image of {image.shape}"
            )


def blend_heat(image: np.ndarray, heatmap: np.ndarray | None) -> np.ndarray:
    """Lay a heat map over an image, the hotter the denser: `(H, W, 3)` in `[0, 1]`."""
    rgb = np.clip(image, 0, 1).astype("float32")[..., None].repeat(3, axis=2)
    if heatmap is not None:
        warm = heatmap > 0  # only there: on most images these pixels are few
        heat = np.clip(heatmap[warm], 0, 1)
        alpha = 0.65 * heat[:, None]
        colours = matplotlib.colormaps["inferno"](heat)[:, :3].astype("float32")
        rgb[warm] = (1 - alpha) * rgb[warm] + alpha * colours
    return rgb


def find_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the outer borders of a mask as int arrays `(N, 1, 2)` of x, y."""
    mask = np.ascontiguousarray(mask, dtype=np.uint8)
    return list(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0])
