"""From curves to a film: attenuation, scatter, exposure, frame.

Soft tissue of the torso has attenuation 1; air takes away, bone and devices add. A
film shows the logarithm of what passes, so brightness is linear in attenuation until
scatter, contrast and noise.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rds_tf.phantoms import curves


@dataclass(frozen=True)
class View:
    """Where thorax units fall in the picture: `pixel = centre + matrix @ unit`."""

    matrix: np.ndarray
    centre: np.ndarray
    shape: tuple[int, int]

    @property
    def unit_px(self) -> float:
        """Length of one thorax unit in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    def to_px(self, curve) -> np.ndarray:
        """Map `(N, 2)` thorax units to `(N, 2)` pixels."""
        return np.asarray(curve) @ self.matrix.T + self.centre


def _fill(view: View, outlines, value: float = 1.0) -> np.ndarray:
    """Paint closed curves, each into the same layer."""
    canvas = np.zeros(view.shape, "uint8")
    for outline in outlines:
        points = np.round(view.to_px(outline) * 16).astype("int32")
        cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, 4)
    return canvas.astype("float32") * (value / 255)


def _stroke(view: View, lines, value: float = 1.0) -> np.ndarray:
    """Paint open curves, given with their widths, into the same layer."""
    canvas = np.zeros(view.shape, "uint8")
    for curve, width in lines:
        points = np.round(view.to_px(curve) * 16).astype("int32")
        thick = max(1, round(width * view.unit_px))
        cv2.polylines(canvas, [points], False, 255, thick, cv2.LINE_AA, 4)
    return canvas.astype("float32") * (value / 255)


def _blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur by a Gaussian; wide ones at a quarter of the size."""
    if sigma_px < 6:
        return cv2.GaussianBlur(image, (0, 0), max(sigma_px, 0.3))
    size = image.shape[::-1]
    small = cv2.resize(
        image, (size[0] // 4, size[1] // 4), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma_px / 4), size)


def _thickness(filled: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the depth of a rounded body, 0 at its rim and 1 from `radius_px` on."""
    inside = cv2.copyMakeBorder(
        (filled > 0.5).astype("uint8"), 1, 1, 1, 1, cv2.BORDER_REPLICATE
    )
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    depth = np.clip(distance / max(radius_px, 1.0), 0, 1)
    return np.sqrt(1 - (1 - depth) ** 2)


def _noise(rng, view: View, sigma: float) -> np.ndarray:
    """Return smooth unit-variance noise with grain `sigma` in thorax units."""
    sigma_px = max(sigma * view.unit_px, 0.5)
    step = max(1, int(sigma_px / 1.5))
    coarse = [side // step + 3 for side in view.shape]
    field = rng.standard_normal(coarse, dtype="float32")
    field = cv2.GaussianBlur(field, (0, 0), sigma_px / step)
    field = cv2.resize(field, view.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return field / max(float(field.std()), 1e-6)


def attenuation(rng, chest, view: View, severity: float, age: float) -> np.ndarray:
    """Return the attenuation map, soft tissue of the torso being 1."""
    unit = view.unit_px
    body = np.zeros(view.shape, "float32")
    for curve, depth in chest.soft:
        radius = (0.45 if depth == 1.0 else 0.25) * unit
        body = np.maximum(body, depth * _thickness(_fill(view, [curve]), radius))
    lungs = _fill(view, chest.lungs)
    heart = _thickness(_fill(view, [chest.heart]), 0.4 * unit)
    heart = _blur(heart, 0.02 * unit)
    total = body * (1 + 0.06 * _noise(rng, view, 0.4))
    total += rng.uniform(0.3, 0.6) * heart
    total -= _air(rng, chest, view, lungs, heart, severity)
    for plates, density in chest.plates:
        total += _blur(_fill(view, plates, density), 0.016 * unit)
    for shafts, width, density in chest.bones:
        total += _bones(view, shafts, width, density)
    vessels = _blur(_stroke(view, chest.vessels, 0.12), 0.012 * unit)
    total += (1 - 0.8 * severity) * rng.uniform(0.4, 1.2) * vessels * lungs
    gas = _blur(_fill(view, chest.gas), 0.02 * unit)
    total -= rng.uniform(0.1, 0.35) * gas
    total -= 0.14 * _blur(_stroke(view, chest.airways), 0.015 * unit)
    if age < 0.3:
        total += _skin_folds(rng, view)
    return np.maximum(total, 0) * (body > 0.01)


def _bones(view: View, shafts, width: float, density: float) -> np.ndarray:
    """Return a layer of long bones: dense rims around lighter cores."""
    rims = _stroke(view, [(shaft, width) for shaft in shafts], density)
    cores = _stroke(view, [(shaft, 0.55 * width) for shaft in shafts], 0.35 * density)
    return _blur(rims - cores, 0.010 * view.unit_px)


def _air(rng, chest, view: View, lungs, heart, severity: float) -> np.ndarray:
    """Return what air takes away from the attenuation of the lungs.

    RDS replaces air by ground glass: fine grain, loss of contrast, and dark branching
    airways that stay open (air bronchogram).
    """
    unit = view.unit_px
    depth = _blur(_thickness(lungs, 0.35 * unit), 0.01 * unit)
    uneven = np.clip(1 + 0.25 * _noise(rng, view, 0.3), 0.4, 1.6)
    opacity = np.clip(severity * rng.uniform(0.75, 0.95) * uneven, 0, 0.95)
    opacity = np.maximum(opacity, _consolidation(rng, chest, view))
    behind_heart = 1 - 0.75 * heart
    air = rng.uniform(0.60, 0.85) * depth * (1 - opacity) * behind_heart
    grain = _noise(rng, view, rng.uniform(0.007, 0.014))
    air += depth * (0.012 + 0.055 * severity) * grain
    branches = _stroke(view, [(c, 0.8 * w) for c, w in chest.vessels], 0.10)
    air += severity * _blur(branches, 0.010 * unit) * depth
    return air


def _consolidation(rng, chest, view: View) -> np.ndarray:
    """Return patchy or whole-lung opacity in `[0, 1]`, absent in most cases."""
    opacity = np.zeros(view.shape, "float32")
    kind = rng.random()
    if kind < 0.08:  # one white lung
        lung = _fill(view, [chest.lungs[rng.integers(2)]])
        opacity = rng.uniform(0.6, 0.95) * _blur(lung, 0.05 * view.unit_px)
    elif kind < 0.22:  # patches
        field = _noise(rng, view, rng.uniform(0.10, 0.25))
        opacity = rng.uniform(0.3, 0.8) / (1 + np.exp(-4 * (field - 1.0)))
    return opacity


def _skin_folds(rng, view: View) -> np.ndarray:
    """Return the long faint edges that folds of a newborn's skin leave."""
    folds = []
    for _ in range(rng.integers(0, 3)):
        x = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        curve = [(x, -0.3), (x + rng.normal(0, 0.1), 0.4), (x, 1.2)]
        folds.append(curves.smooth_curve(curve, closed=False, num_points=24))
    lines = _stroke(view, [(curve, 0.03) for curve in folds], 0.08)
    return _blur(lines, 0.012 * view.unit_px)


def shadow(device, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return a device's attenuation and its uint8 mask."""

    def lines(factor):
        return [(line, factor * device.width) for line in device.lines]

    discs = [np.array([(x, y), (x + 1e-3, y)]) for x, y in device.pads]
    pads = [(disc, 0.13) for disc in discs]
    shadow = _stroke(view, lines(1.0), device.density)
    if device.hollow:
        shadow -= _stroke(view, lines(0.6), 0.85 * device.density)
        shadow += _stroke(view, lines(0.2), 0.9 * device.density)
    shadow += _stroke(view, pads, 0.10)
    shadow += _stroke(view, [(disc, 0.045) for disc in discs], 0.5)
    solid = _stroke(view, lines(1.0) + pads)
    return _blur(shadow, 0.006 * view.unit_px), (solid > 0.5).astype("uint8")


def expose(rng, attenuation: np.ndarray, view: View) -> np.ndarray:
    """Turn attenuation into film brightness: scatter, contrast, quantum noise."""
    scatter = rng.uniform(0.05, 0.35)
    blurred = _blur(attenuation, rng.uniform(0.15, 0.4) * view.unit_px)
    dose = (1 - scatter) * attenuation + scatter * blurred
    quanta = rng.uniform(0.004, 0.022) * np.exp(0.5 * dose)
    dose = dose + quanta * rng.standard_normal(view.shape, dtype="float32")
    dose = _blur(dose, rng.uniform(0.3, 0.8))
    low = rng.uniform(0.0, 0.25)
    high = np.percentile(dose, 99.0) * rng.uniform(0.95, 1.25) + 0.05
    film = np.clip((dose - low) / (high - low), 0, 1)
    return film ** (2 ** rng.uniform(-0.7, 0.6))


def finish(rng, film: np.ndarray, view: View) -> np.ndarray:
    """Add collimation, side marker and text; clip to `[0, 1]`."""
    height, width = view.shape
    film = rng.uniform(0, 0.06) + film * rng.uniform(0.86, 0.94)
    if rng.random() < 0.25:
        frame = np.zeros(view.shape, "float32")
        left, right = (int(v * width) for v in rng.uniform(0, 0.06, 2))
        upper, lower = (int(v * height) for v in rng.uniform(0, 0.06, 2))
        frame[upper : height - lower, left : width - right] = 1
        film = film * frame + (1 - frame) * rng.choice(
            [0, 0.02, 0.9], p=[0.5, 0.4, 0.1]
        )
    canvas = np.zeros(view.shape, "uint8")
    if rng.random() < 0.6:
        at = (
            int(width * rng.choice([rng.uniform(0.02, 0.1), rng.uniform(0.85, 0.93)])),
            int(height * rng.uniform(0.08, 0.5)),
        )
        size = max(width, height) / 512 * rng.uniform(0.8, 1.8)
        thick = max(1, round(1.7 * size))
        cv2.putText(
            canvas, rng.choice(["R", "L"]), at, 0, size, 255, thick, cv2.LINE_AA
        )
    if rng.random() < 0.2:
        at = (int(width * 0.7), int(height * 0.97))
        size = max(width, height) / 512 * 0.4
        cv2.putText(canvas, f"{rng.integers(1e6)} AP", at, 0, size, 220, 1, cv2.LINE_AA)
    return np.clip(np.maximum(film, canvas / 255.0), 0, 1).astype("float32")
