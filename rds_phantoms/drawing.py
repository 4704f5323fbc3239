"""Curves drawn into pixels: filled shapes, lines, blurs, depth and smooth noise."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

SHIFT = 4  # bits of a pixel's fraction in OpenCV's drawing


@dataclass(frozen=True)
class View:
    """Where thorax units fall in the image: `pixel = centre + matrix @ unit`.

    One thorax unit is the distance from the spine to the lateral border of a lung; x
    points to the right of the image and y down.

    Attributes:
        matrix: `(2, 2)` float, pixels a unit, turned with the patient.
        centre: `(2,)` float, pixel x and y of the origin.
        shape: height and width of the image in pixels.
    """

    matrix: np.ndarray
    centre: np.ndarray
    shape: tuple[int, int]

    @cached_property
    def unit_px(self) -> float:
        """Length of one thorax unit in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @cached_property
    def _fixed(self) -> np.ndarray:
        return np.column_stack([self.matrix, self.centre]) * (1 << SHIFT)

    def to_px(self, curve) -> np.ndarray:
        """Map `(..., 2)` thorax units to `(..., 2)` pixels."""
        return np.asarray(curve) @ self.matrix.T + self.centre

    def to_fixed(self, curve) -> np.ndarray:
        """Map thorax units to the fixed-point pixels of OpenCV's drawing."""
        points = np.asarray(curve, "float64").reshape(1, -1, 2)
        fixed = cv2.transform(points, self._fixed)
        return np.rint(fixed, out=fixed).astype(np.int32).reshape(np.shape(curve))


def fill(view: View, outlines) -> np.ndarray:
    """Fill closed curves.

    Args:
        view: where they fall.
        outlines: curves `(N, 2)`; a stack `(K, N, 2)` of curves that do not overlap
            is faster.

    Returns:
        `(H, W)` uint8, 255 inside, less on a smooth rim, 0 outside.
    """
    layer = np.zeros(view.shape, np.uint8)
    if isinstance(outlines, np.ndarray) and outlines.ndim == 3:
        cv2.fillPoly(layer, list(view.to_fixed(outlines)), 255, cv2.LINE_AA, SHIFT)
        return layer
    for outline in outlines:
        cv2.fillPoly(layer, [view.to_fixed(outline)], 255, cv2.LINE_AA, SHIFT)
    return layer


def stroke(view: View, lines) -> np.ndarray:
    """Draw open curves as lines.

    Args:
        view: where they fall.
        lines: pairs of a curve `(N, 2)`, or several `(K, N, 2)`, and its width in
            thorax units. A line thinner than a pixel is drawn a pixel wide and fainter.

    Returns:
        `(H, W)` uint8 of 0 to 255.
    """
    layer = np.zeros(view.shape, np.uint8)
    for curve, width in lines:
        width_px = width * view.unit_px
        fixed = view.to_fixed(curve)
        cv2.polylines(
            layer,
            [fixed] if fixed.ndim == 2 else list(fixed),
            isClosed=False,
            color=int(255 * min(1.0, width_px)),
            thickness=max(1, round(width_px)),
            lineType=cv2.LINE_AA,
            shift=SHIFT,
        )
    return layer


def add_layers(layers: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Return the sum of uint8 layers, each times its weight, `(H, W)` float32."""
    total = np.zeros(layers[0][0].shape, np.float32)
    for layer, weight in layers:
        cv2.addWeighted(total, 1, layer, weight, 0, total, cv2.CV_32F)
    return total


def blur(image: np.ndarray, sigma_px: float, scale: float = 1.0) -> np.ndarray:
    """Blur by a Gaussian; a wide one on a reduced copy.

    Args:
        image: `(H, W)` float32 or uint8.
        sigma_px: float, standard deviation in pixels.
        scale: float, factor on the result.

    Returns:
        `(H, W)` float32.
    """
    factor = 1 if sigma_px < 3 else 2 if sigma_px < 8 else 4
    factor = min(factor, max(1, min(image.shape) // 8))
    if factor == 1:
        sigma_px = max(sigma_px, 0.3)
        blur_full = _convolve_drawn if image.dtype == np.uint8 else _convolve
        return blur_full(image, sigma_px, scale)
    size = (image.shape[1] // factor, image.shape[0] // factor)
    image = image.astype(np.float32, copy=False)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = _convolve(small, sigma_px / factor, scale)
    return cv2.resize(small, image.shape[::-1])


def _convolve(image: np.ndarray, sigma_px: float, scale: float = 1.0) -> np.ndarray:
    """Blur as `cv2.GaussianBlur` does a float32 image; an uint8 one without a copy."""
    kernel = cv2.getGaussianKernel(_kernel_size(sigma_px), sigma_px, cv2.CV_32F)
    return cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel * np.float32(scale))


def _convolve_drawn(image: np.ndarray, sigma_px: float, scale: float) -> np.ndarray:
    """Blur only where something is drawn and as far as its blur reaches."""
    left, top, width, height = cv2.boundingRect(image)
    reach = _kernel_size(sigma_px) + 1  # a margin of zeros; beyond it all stays 0
    part = (
        slice(max(top - reach, 0), top + height + reach),
        slice(max(left - reach, 0), left + width + reach),
    )
    blurred = np.zeros(image.shape, np.float32)
    if width:
        blurred[part] = _convolve(image[part], sigma_px, scale)
    return blurred


def _kernel_size(sigma_px: float) -> int:
    """Return an odd size: four standard deviations to either side."""
    return round(8 * sigma_px + 1) | 1


def thickness(filled: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the depth of a rounded body, 0 at its rim and 1 from `radius_px` on.

    Args:
        filled: `(H, W)` uint8, the body as `fill` drew it.
        radius_px: float.

    Returns:
        `(H, W)` float32 in `[0, 1]`.
    """
    factor = 2 if radius_px > 12 else 1  # a smooth body needs no fine grid
    inside = (filled[::factor, ::factor] > 127).view(np.uint8)
    # A body that the image cuts goes on beyond it: the edge of the image is no rim.
    inside = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    rim = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rim = np.minimum(rim * np.float32(factor / max(radius_px, 1.0)), 1)
    # A circle's height at distance d from its rim, in radii: sqrt(1 - (1 - d)^2).
    np.subtract(1, rim, out=rim)
    rim *= rim
    depth = cv2.sqrt(np.subtract(1, rim, out=rim))
    if factor == 1:
        return depth
    depth = cv2.resize(depth, filled.shape[::-1])
    return cv2.copyTo(depth, (filled > 0).view(np.uint8))  # and 0 elsewhere


def smooth_noise(rng: np.random.Generator, view: View, grain: float) -> np.ndarray:
    """Return Gaussian noise of unit variance, correlated over about `grain`.

    Args:
        rng: random generator.
        view: for the size of image and unit.
        grain: float, standard deviation of the smoothing in thorax units.

    Returns:
        `(H, W)` float32.
    """
    sigma_px = max(grain * view.unit_px, 0.5)
    step = max(1, int(sigma_px / 1.5))  # smooth noise is drawn coarse and enlarged
    coarse = [side // step + 3 for side in view.shape]
    field = rng.standard_normal(coarse, dtype="float32")
    field = _convolve(field, sigma_px / step)
    # Standard deviation from two sums by OpenCV, in half the time that NumPy takes.
    variance = cv2.norm(field) ** 2 / field.size - cv2.mean(field)[0] ** 2
    field *= 1 / max(max(variance, 0.0) ** 0.5, 1e-6)
    if step == 1:
        return field[: view.shape[0], : view.shape[1]]
    return cv2.resize(field, view.shape[::-1], interpolation=cv2.INTER_CUBIC)
