"""Curves painted into pixels: fills, strokes, blurs, depth and smooth noise."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

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


def paint(view: View, outlines) -> np.ndarray:
    """Paint closed curves as `fill` does, `(H, W)` uint8 of 0 to 255."""
    canvas = np.zeros(view.shape, np.uint8)
    if isinstance(outlines, np.ndarray) and outlines.ndim == 3:
        cv2.fillPoly(canvas, list(view.to_fixed(outlines)), 255, cv2.LINE_AA, SHIFT)
        outlines = []
    for outline in outlines:
        cv2.fillPoly(canvas, [view.to_fixed(outline)], 255, cv2.LINE_AA, SHIFT)
    return canvas


def fill(view: View, outlines, value: float = 1.0) -> np.ndarray:
    """Paint closed curves into one layer, `(H, W)` float32 of 0 to `value`.

    Args:
        view: where they fall.
        outlines: curves `(N, 2)`; a stack `(K, N, 2)` of curves that do not overlap
            is faster.
        value: float, the layer's maximum.
    """
    return paint(view, outlines) * np.float32(value / 255)


def draw(view: View, lines) -> np.ndarray:
    """Paint open curves as `stroke` does, `(H, W)` uint8 of 0 to 255."""
    canvas = np.zeros(view.shape, np.uint8)
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
    return canvas


def stroke(view: View, lines, value: float = 1.0) -> np.ndarray:
    """Paint open curves into one layer as `fill` does.

    Args:
        view: where they fall.
        lines: pairs of a curve `(N, 2)`, or several `(K, N, 2)`, and its width. A
            line thinner than a pixel is drawn a pixel wide and fainter.
        value: float, the layer's maximum.
    """
    return draw(view, lines) * np.float32(value / 255)


def add(layers: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Return the sum of uint8 layers, each times its weight, `(H, W)` float32."""
    total = np.zeros(layers[0][0].shape, np.float32)
    for layer, weight in layers:
        cv2.addWeighted(total, 1, layer, weight, 0, total, cv2.CV_32F)
    return total


def blur(image: np.ndarray, sigma_px: float, scale: float = 1.0) -> np.ndarray:
    """Blur by a Gaussian; wide ones on a reduced copy.

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
        if image.dtype == np.uint8:
            return _convolve_part(image, sigma_px, scale)
        return _convolve(image, sigma_px, scale)
    size = (image.shape[1] // factor, image.shape[0] // factor)
    image = image.astype(np.float32, copy=False)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = _convolve(small, sigma_px / factor, scale)
    return cv2.resize(small, image.shape[::-1])


def _convolve(image: np.ndarray, sigma_px: float, scale: float = 1.0) -> np.ndarray:
    """Blur as `cv2.GaussianBlur` does a float32 image; an uint8 one without a copy."""
    kernel = cv2.getGaussianKernel(_taps(sigma_px), sigma_px, cv2.CV_32F)
    return cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel * np.float32(scale))


def _convolve_part(image: np.ndarray, sigma_px: float, scale: float) -> np.ndarray:
    """Blur only where something is painted and as far as its blur reaches."""
    left, top, width, height = cv2.boundingRect(image)
    reach = _taps(sigma_px) + 1  # a margin of zeros, beyond it nothing is seen
    part = (
        slice(max(top - reach, 0), top + height + reach),
        slice(max(left - reach, 0), left + width + reach),
    )
    blurred = np.zeros(image.shape, np.float32)
    if width:
        blurred[part] = _convolve(image[part], sigma_px, scale)
    return blurred


def _taps(sigma_px: float) -> int:
    """Return the length of the kernel: four standard deviations to either side."""
    return round(8 * sigma_px + 1) | 1


def thickness(filled: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the depth of a rounded body, 0 at its rim and 1 from `radius_px` on.

    Args:
        filled: `(H, W)`, the body as `fill` or `paint` made it.
        radius_px: float.
    """
    factor = 2 if radius_px > 12 else 1  # a smooth body needs no fine grid
    half = 0.5 if filled.dtype.kind == "f" else 127
    inside = (filled[::factor, ::factor] > half).view(np.uint8)
    inside = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    rim = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rim = np.minimum(rim * np.float32(factor / max(radius_px, 1.0)), 1)
    np.subtract(1, rim, out=rim)
    rim *= rim
    depth = cv2.sqrt(np.subtract(1, rim, out=rim))
    if factor == 1:
        return depth
    depth = cv2.resize(depth, filled.shape[::-1])
    return cv2.copyTo(depth, (filled > 0).view(np.uint8))  # and 0 elsewhere


def noise(rng: np.random.Generator, view: View, sigma: float) -> np.ndarray:
    """Return smooth unit-variance noise with grain about `sigma` thorax units."""
    sigma_px = max(sigma * view.unit_px, 0.5)
    step = max(1, int(sigma_px / 1.5))
    coarse = [side // step + 3 for side in view.shape]
    field = rng.standard_normal(coarse, dtype="float32")
    field = _convolve(field, sigma_px / step)
    field *= 1 / max(_spread(field), 1e-6)
    if step == 1:
        return field[: view.shape[0], : view.shape[1]]
    return cv2.resize(field, view.shape[::-1], interpolation=cv2.INTER_CUBIC)


def _spread(field: np.ndarray) -> float:
    """Return the standard deviation, in half the time that NumPy takes."""
    square = cv2.norm(field) ** 2 / field.size - cv2.mean(field)[0] ** 2
    return max(square, 0.0) ** 0.5


Curve = np.ndarray  # (N, 2) float64, x and y


def smooth_curve(points, *, closed: bool, steps: int = 6) -> Curve:
    """Return a centripetal Catmull-Rom curve through points (Yuksel et al., 2011).

    It has no loops or cusps between points, however unevenly they lie. Many curves
    of one length are drawn in one call, which is what makes phantoms fast.

    Args:
        points: `(..., N, 2)`, one curve or several.
        closed: bool, join the last point to the first.
        steps: int, samples from each point to the next.

    Returns:
        `(..., N * steps, 2)` if closed, `(..., (N - 1) * steps + 1, 2)` if open.
    """
    points = np.ascontiguousarray(points, "float64")
    plane = points.view("complex128")[..., 0]  # x + iy
    first, last = plane[..., :1], plane[..., -1:]
    if closed:
        around = np.concatenate([last, plane, plane[..., :2]], axis=-1)
    else:  # the ends go on straight
        before, after = 2 * first - plane[..., 1:2], 2 * last - plane[..., -2:-1]
        around = np.concatenate([before, plane, after], axis=-1)
    chords = around[..., 1:] - around[..., :-1]
    lengths = np.maximum(np.sqrt(np.abs(chords)), 1e-6)
    left, right, slopes = lengths[..., :-1], lengths[..., 1:], chords / lengths
    tangents = (right * slopes[..., :-1] + left * slopes[..., 1:]) / (left + right)
    span = lengths[..., 1:-1]
    parts = np.empty((*span.shape, 4), "complex128")
    parts[..., 0], parts[..., 1] = around[..., 1:-2], around[..., 2:-1]
    parts[..., 2], parts[..., 3] = span * tangents[..., :-1], span * tangents[..., 1:]
    curve = (parts @ _hermite(steps)).reshape(*plane.shape[:-1], -1)
    if not closed:
        curve = np.concatenate([curve, last], axis=-1)
    return curve.view("float64").reshape(*curve.shape, 2)


@lru_cache
def _hermite(steps: int) -> np.ndarray:
    """Return the cubic Hermite basis, `(4, steps)`: two ends, two tangents."""
    t = np.arange(steps) / steps
    start = (1 + 2 * t) * (1 - t) ** 2
    basis = np.stack([start, 1 - start, t * (1 - t) ** 2, t**2 * (t - 1)])
    return basis.astype("complex128")


def ring(centre, radii, num_points: int = 24) -> Curve:
    """Return a closed ellipse around `centre`, `(num_points, 2)`."""
    turns = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return np.stack([np.cos(turns), np.sin(turns)], 1) * radii + centre
