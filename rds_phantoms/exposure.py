"""From attenuation to a film: scatter, exposure, processing, frame and letters.

A film shows the logarithm of what passes, so brightness is linear in attenuation until
scatter, contrast, noise and the maker's image processing.
"""

import cv2
import numpy as np

from rds_phantoms import canvas


def expose(rng, attenuation: np.ndarray, view, *, wild: bool = False) -> np.ndarray:
    """Turn attenuation into film brightness in `[0, 1]`.

    Args:
        rng: random generator.
        attenuation: `(H, W)` float32.
        view: the `canvas.View`.
        wild: bool, let exposure fail too: saturation, grid lines, inversion.
    """
    unit = view.unit_px
    scatter = rng.uniform(0.05, 0.35)
    blurred = canvas.blur(attenuation, rng.uniform(0.15, 0.4) * unit)
    sharpen = rng.uniform(0.0, 0.8) * (rng.random() < 0.6)  # multi-scale processing
    # What scatters is blurred; sharpening lifts what differs from its blur.
    own = (1 - scatter) * (1 + sharpen)
    dose = cv2.addWeighted(attenuation, own, blurred, 1 - own, 0)
    quanta = cv2.exp(0.5 * np.clip(dose, 0, 3))
    quanta *= rng.uniform(0.004, 0.022)
    quanta *= rng.standard_normal(view.shape, dtype="float32")
    dose += quanta
    dose = canvas.blur(dose, rng.uniform(0.3, 0.8))
    low = rng.uniform(0.0, 0.25)
    white = rng.uniform(75, 99.5) if wild else rng.uniform(93, 99.5)
    sample = dose[::3, ::3]
    sample = sample[sample > 0.05]
    high = np.percentile(sample, white) if sample.size else 1
    high = max(high * rng.uniform(0.95, 1.25) + 0.05, low + 0.1)
    dose -= low
    dose *= np.float32(1 / (high - low))
    film = np.clip(dose, 0, 1, out=dose)
    film = cv2.pow(film, 2 ** rng.uniform(-0.8, 0.6))
    return _spoil(rng, film) if wild else film


def _spoil(rng, film: np.ndarray) -> np.ndarray:
    """Add what goes wrong: uneven beam, grid lines, odd curves, inversion."""
    height, width = film.shape
    x = np.linspace(-1, 1, width, dtype="float32")
    y = np.linspace(-1, 1, height, dtype="float32")[:, None]
    if rng.random() < 0.3:
        tilt = rng.normal(0, 0.08, 2).astype("float32")
        film = film + (film > 0.02) * (tilt[0] * x + tilt[1] * y)
    if rng.random() < 0.1:
        turns = rng.uniform(0.15, 0.45) * np.array([width, height])
        turns *= rng.permutation([1.0, rng.uniform(0, 0.1)])
        across, along = [np.pi * float(turn) for turn in turns]
        across, along = across * x, along * y
        # sin(a + b), from sines of a row and a column
        lines = np.sin(across) * np.cos(along) + np.cos(across) * np.sin(along)
        film = film + rng.uniform(0.01, 0.04) * lines
    if rng.random() < 0.3:  # an odd characteristic curve, still rising
        film = _bend(film, np.sort(rng.uniform(0, 1, 3)))
    if rng.random() < 0.06:
        film = 1 - film
    return np.clip(film, 0, 1)


def _bend(film: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return the film by a curve from 0 by three evenly spaced knots to 1."""
    quarters = 4 * film
    bent = np.zeros_like(film)
    for index, rise in enumerate(np.diff([0, *knots, 1]).astype("float32")):
        bent += rise * np.clip(quarters - index, 0, 1)
    return bent


def finish(rng, film: np.ndarray, beam: np.ndarray, *, wild: bool = False):
    """Cut the film to its beam, add side marker and text; clip to `[0, 1]`.

    Args:
        rng: random generator.
        film: `(H, W)` float32 from `expose`.
        beam: `(4, 2)` corners from `collimate`.
        wild: bool, write more and anything.
    """
    fog = rng.uniform(0, 0.06)
    film = film * rng.uniform(0.86, 0.94)
    film += fog
    frame = draw_beam(beam, film.shape)
    plain = rng.choice([0, 0.02, 0.9], p=[0.5, 0.4, 0.1])
    if not frame.all():
        film[frame == 0] = plain
    letters = np.zeros(film.shape, "uint8")
    for _ in range(rng.integers(0, 4) if wild else rng.random() < 0.6):
        text = rng.choice(["R", "L", "AP", "KV70", "17:13:03", "A-P", "SUPINE"])
        _write(rng, letters, text if wild else rng.choice(["R", "L"]))
    if rng.random() < 0.2:
        height, width = film.shape
        at, size = (int(width * 0.7), int(height * 0.97)), max(film.shape) / 1280
        number = f"{rng.integers(1e6)} AP"
        cv2.putText(letters, number, at, 0, size, 220, 1, cv2.LINE_AA)
    if letters.any():
        np.maximum(film, letters * np.float32(1 / 255), out=film)
    return np.clip(film, 0, 1, out=film)


def collimate(rng, shape: tuple[int, int], *, wild: bool = False) -> np.ndarray:
    """Return the corners of the exposed part, `(4, 2)` px, mostly the whole film.

    Args:
        rng: random generator.
        shape: (H, W) of the film.
        wild: bool, cut more, and tilt the cut.
    """
    height, width = shape
    chance, most = (0.3, 0.10) if wild else (0.25, 0.06)
    cut = most * (rng.random() < chance)
    left, right = (float(round(v * width)) for v in rng.uniform(0, cut, 2))
    upper, lower = (float(round(v * height)) for v in rng.uniform(0, cut, 2))
    right, lower = width - right, height - lower
    box = np.array([(left, upper), (right, upper), (right, lower), (left, lower)])
    if wild and cut:
        box += rng.normal(0, 0.02, (4, 2)) * max(shape)
    return box


def draw_beam(beam: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the exposed part as `(H, W)` uint8 of {0, 1}."""
    frame = np.zeros(shape, "uint8")
    # OpenCV paints the rim of a polygon too: pixel i spans [i, i + 1].
    inner = np.where(beam > beam.mean(0), beam - 1, beam)
    cv2.fillPoly(frame, [np.rint(inner).astype("int32")], 1)
    return frame


def _write(rng, letters: np.ndarray, text: str) -> None:
    """Write a marker somewhere at the side of the film."""
    height, width = letters.shape
    near, far = rng.uniform(0.02, 0.1), rng.uniform(0.85, 0.93)
    at = int(width * rng.choice([near, far])), int(height * rng.uniform(0.08, 0.5))
    size = max(width, height) / 512 * rng.uniform(0.8, 1.8) / len(text) ** 0.5
    thick = max(1, round(1.7 * size))
    cv2.putText(letters, text, at, 0, size, 255, thick, cv2.LINE_AA)


def stretch(image: np.ndarray) -> np.ndarray:
    """Map percentiles 1 and 99 of the exposed pixels to 0 and 1, and clip."""
    exposed = image[image > 0.004 * image.max()]
    if exposed.size < 16:
        return np.zeros_like(image, "float32")
    low, high = np.percentile(exposed, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-3), 0, 1).astype("float32")
