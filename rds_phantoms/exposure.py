"""From attenuation to a radiograph: scatter, noise, processing, collimation and text.

A radiograph shows the logarithm of what passes, so grey levels are linear in
attenuation, but for scatter, contrast, noise and the maker's image processing.
"""

import cv2
import numpy as np

from rds_phantoms import drawing


def expose(
    rng: np.random.Generator,
    attenuation: np.ndarray,
    view: drawing.View,
    *,
    randomised: bool = False,
) -> np.ndarray:
    """Turn attenuation into an image `(H, W)` float32 in `[0, 1]`, bone bright.

    Args:
        rng: random generator.
        attenuation: `(H, W)` float32, that of the chest wall being 1.
        view: for the length of a thorax unit.
        randomised: bool, let exposure fail too: saturation, grid lines, inversion.
    """
    scatter = rng.uniform(0.05, 0.35)
    blurred = drawing.blur(attenuation, rng.uniform(0.15, 0.4) * view.unit_px)
    sharpen = rng.uniform(0.0, 0.8) * (rng.random() < 0.6)  # multi-scale processing
    # What scatters is blurred; sharpening lifts what differs from its blur.
    own = (1 - scatter) * (1 + sharpen)
    image = cv2.addWeighted(attenuation, own, blurred, 1 - own, 0)
    # Photons arrive as exp(-attenuation): noise of the logarithm is exp(a / 2).
    noise = cv2.exp(0.5 * np.clip(image, 0, 3))
    noise *= rng.uniform(0.004, 0.022)
    noise *= rng.standard_normal(view.shape, dtype="float32")
    image += noise
    image = drawing.blur(image, rng.uniform(0.3, 0.8))
    # The window reaches to a percentile of what is exposed, taken from every third row.
    low = rng.uniform(0.0, 0.25)
    percentile = rng.uniform(75, 99.5) if randomised else rng.uniform(93, 99.5)
    sample = image[::3, ::3]
    sample = sample[sample > 0.05]
    high = np.percentile(sample, percentile) if sample.size else 1
    high = max(high * rng.uniform(0.95, 1.25) + 0.05, low + 0.1)
    image -= low
    image *= np.float32(1 / (high - low))
    image = cv2.pow(np.clip(image, 0, 1, out=image), 2 ** rng.uniform(-0.8, 0.6))
    return _degrade(rng, image) if randomised else image


def _degrade(rng, image: np.ndarray) -> np.ndarray:
    """Add what may go wrong: uneven beam, grid lines, odd curves, inversion."""
    height, width = image.shape
    x = np.linspace(-1, 1, width, dtype="float32")
    y = np.linspace(-1, 1, height, dtype="float32")[:, None]
    if rng.random() < 0.3:
        tilt = rng.normal(0, 0.08, 2).astype("float32")
        image = image + (image > 0.02) * (tilt[0] * x + tilt[1] * y)
    if rng.random() < 0.1:
        turns = rng.uniform(0.15, 0.45) * np.array([width, height])
        turns *= rng.permutation([1.0, rng.uniform(0, 0.1)])
        a, b = np.pi * float(turns[0]) * x, np.pi * float(turns[1]) * y
        # sin(a + b), from sines of a row and a column
        lines = np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b)
        image = image + rng.uniform(0.01, 0.04) * lines
    if rng.random() < 0.3:  # another characteristic curve, still rising
        knots = [0, *np.sort(rng.uniform(0, 1, 3)), 1]
        quarters, image = 4 * image, np.zeros_like(image)
        for index, rise in enumerate(np.diff(knots).astype("float32")):
            image += rise * np.clip(quarters - index, 0, 1)
    if rng.random() < 0.06:
        image = 1 - image
    return np.clip(image, 0, 1)


def collimate(
    rng: np.random.Generator, shape: tuple[int, int], *, randomised: bool = False
) -> np.ndarray:
    """Return the corners of the exposed part, `(4, 2)` px, mostly the whole image.

    Args:
        rng: random generator.
        shape: height and width of the image in pixels.
        randomised: bool, cut more, and tilt the cut.
    """
    height, width = shape
    chance, most = (0.3, 0.10) if randomised else (0.25, 0.06)
    cut = most * (rng.random() < chance)
    left, right = (float(round(v * width)) for v in rng.uniform(0, cut, 2))
    upper, lower = (float(round(v * height)) for v in rng.uniform(0, cut, 2))
    right, lower = width - right, height - lower
    box = np.array([(left, upper), (right, upper), (right, lower), (left, lower)])
    if randomised and cut:
        box += rng.normal(0, 0.02, (4, 2)) * max(shape)
    return box


def draw_beam(beam: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the exposed part as `(H, W)` uint8 of {0, 1}."""
    exposed = np.zeros(shape, "uint8")
    # OpenCV paints the rim of a polygon too: pixel i spans [i, i + 1].
    inner = np.where(beam > beam.mean(0), beam - 1, beam)
    cv2.fillPoly(exposed, [np.rint(inner).astype("int32")], 1)
    return exposed


def crop_and_label(
    rng: np.random.Generator,
    image: np.ndarray,
    beam: np.ndarray,
    *,
    randomised: bool = False,
) -> np.ndarray:
    """Blank what lies outside the beam, add fog, side marker and text.

    Args:
        rng: random generator.
        image: `(H, W)` float32 from `expose`.
        beam: `(4, 2)` corners from `collimate`.
        randomised: bool, write more, and other words than R and L.

    Returns:
        `(H, W)` float32 in `[0, 1]`.
    """
    height, width = image.shape
    fog = rng.uniform(0, 0.06)
    image = image * rng.uniform(0.86, 0.94)
    image += fog
    exposed = draw_beam(beam, image.shape)
    plain = rng.choice([0, 0.02, 0.9], p=[0.5, 0.4, 0.1])
    if not exposed.all():
        image[exposed == 0] = plain
    letters = np.zeros(image.shape, "uint8")
    for _ in range(rng.integers(0, 4) if randomised else rng.random() < 0.6):
        text = rng.choice(["R", "L", "AP", "KV70", "17:13:03", "A-P", "SUPINE"])
        _write_marker(rng, letters, text if randomised else rng.choice(["R", "L"]))
    if rng.random() < 0.2:  # an exposure number at the foot
        at, size = (int(width * 0.7), int(height * 0.97)), max(image.shape) / 1280
        number = f"{rng.integers(1e6)} AP"
        cv2.putText(letters, number, at, 0, size, 220, 1, cv2.LINE_AA)
    if letters.any():
        np.maximum(image, letters * np.float32(1 / 255), out=image)
    return np.clip(image, 0, 1, out=image)


def _write_marker(rng, letters: np.ndarray, text: str) -> None:
    """Write a marker somewhere at the side of the image."""
    height, width = letters.shape
    near, far = rng.uniform(0.02, 0.1), rng.uniform(0.85, 0.93)
    at = int(width * rng.choice([near, far])), int(height * rng.uniform(0.08, 0.5))
    size = max(width, height) / 512 * rng.uniform(0.8, 1.8) / len(text) ** 0.5
    thickness = max(1, round(1.7 * size))
    cv2.putText(letters, text, at, 0, size, 255, thickness, cv2.LINE_AA)


def stretch(image: np.ndarray) -> np.ndarray:
    """Map percentiles 1 and 99 of the exposed pixels to 0 and 1, and clip."""
    exposed = image[image > 0.004 * image.max()]
    if exposed.size < 16:
        return np.zeros_like(image, "float32")
    low, high = np.percentile(exposed, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-3), 0, 1).astype("float32")
