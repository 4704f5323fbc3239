"""Curves painted into pixels: fills, strokes, blurs, depth and smooth noise."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

SHIFT = 4  # bits of a pixel's fraction in OpenCV's drawing


@dataclass(frozen=True)
class View:
    """Where thorax units fall in the picture: `pixel = centre + matrix @ unit`."""

    matrix: np.ndarray
    centre: np.ndarray
    shape: tuple[int, int]

    @cached_property
    def unit_px(self) -> float:
        """Length of one thorax unit in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def to_px(self, curve) -> np.ndarray:
        """Map `(..., 2)` thorax units to `(..., 2)` pixels."""
        return np.asarray(curve) @ self.matrix.T + self.centre

    def to_fixed(self, curve) -> np.ndarray:
        """Map thorax units to the fixed-point pixels of OpenCV's drawing."""
        return np.rint(self.to_px(curve) * (1 << SHIFT)).astype("int32")


def fill(view: View, outlines, value: float = 1.0) -> np.ndarray:
    """Paint closed curves into one layer, `(H, W)` float32 of 0 to `value`.

    Args:
        view: where they fall.
        outlines: curves `(N, 2)`; a stack `(K, N, 2)` of curves that do not overlap
            is faster.
        value: float, the layer's maximum.
    """
    canvas = np.zeros(view.shape, "uint8")
    if isinstance(outlines, np.ndarray) and outlines.ndim == 3:
        cv2.fillPoly(canvas, list(view.to_fixed(outlines)), 255, cv2.LINE_AA, SHIFT)
        outlines = []
    for outline in outlines:
        cv2.fillPoly(canvas, [view.to_fixed(outline)], 255, cv2.LINE_AA, SHIFT)
    return canvas * np.float32(value / 255)


def stroke(view: View, lines, value: float = 1.0) -> np.ndarray:
    """Paint open curves into one layer as `fill` does.

    Args:
        view: where they fall.
        lines: pairs of a curve `(N, 2)`, or several `(K, N, 2)`, and its width. A
            line thinner than a pixel is drawn a pixel wide and fainter.
        value: float, the layer's maximum.
    """
    canvas = np.zeros(view.shape, "uint8")
    for curve, width in lines:
        thick = width * view.unit_px
        shade = int(255 * min(1.0, thick))
        fixed = view.to_fixed(curve)
        cv2.polylines(
            canvas,
            [fixed] if fixed.ndim == 2 else list(fixed),
            False,
            shade,
            max(1, round(thick)),
            cv2.LINE_AA,
            SHIFT,
        )
    return canvas * np.float32(value / 255)


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur by a Gaussian; wide ones on a reduced copy."""
    factor = 1 if sigma_px < 3 else 2 if sigma_px < 8 else 4
    factor = min(factor, max(1, min(image.shape) // 8))
    if factor == 1:
        return cv2.GaussianBlur(image, (0, 0), max(sigma_px, 0.3))
    size = (image.shape[1] // factor, image.shape[0] // factor)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / factor)
    return cv2.resize(small, image.shape[::-1])


def thickness(filled: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the depth of a rounded body, 0 at its rim and 1 from `radius_px` on."""
    inside = (filled > 0.5).astype("uint8")
    factor = 2 if radius_px > 12 else 1  # a smooth body needs no fine grid
    inside = inside[::factor, ::factor]
    inside = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rim = 1 - np.minimum(distance * np.float32(factor / max(radius_px, 1.0)), 1)
    depth = cv2.sqrt(1 - rim * rim)
    if factor == 1:
        return depth
    return cv2.resize(depth, filled.shape[::-1]) * (filled > 0)


def noise(rng: np.random.Generator, view: View, sigma: float) -> np.ndarray:
    """Return smooth unit-variance noise with grain about `sigma` thorax units."""
    sigma_px = max(sigma * view.unit_px, 0.5)
    step = max(1, int(sigma_px / 1.5))
    coarse = [side // step + 3 for side in view.shape]
    field = rng.standard_normal(coarse, dtype="float32")
    field = cv2.GaussianBlur(field, (0, 0), sigma_px / step)
    field *= 1 / max(float(field.std()), 1e-6)
    if step == 1:
        return field[: view.shape[0], : view.shape[1]]
    return cv2.resize(field, view.shape[::-1], interpolation=cv2.INTER_CUBIC)
