"""From the path of the rays to a film: scatter, photons, detector and processing.

What reaches the detector is `exp(-attenuation)` and scatter. A computed radiograph
shows its logarithm, taken apart into scales and put together again, detail raised and
wide shadows lowered (multi-scale processing: Vuylsteke and Schoeters, SPIE 1994), by a
table of greys, bone bright.
"""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class System:
    """One x-ray system and its settings.

    Attributes:
        kvp: float, peak voltage.
        scatter: float, scattered to primary photons behind the chest: 0.2 with a
            grid, up to 0.9 without (Boone et al., Med Phys 1986, for thin patients).
        photons: float, photons a square mm behind the lungs; 25,000 at 1 uGy.
        blur_mm: float, standard deviation of the detector's blur.
        heel: `(2,)`, change of the beam across width and height of the film.
        wide, middle, fine: floats, weights of the scales.
        clip: `(2,)`, percentiles of the body that the table maps to its ends.
        reserve: float, share of the span that the table leaves above, for metal.
        lung_grey: float, least grey of a healthy lung before `gamma`.
        gamma: float, exponent of the table of greys.
        sigmoid: float in [0, 1], how much the table flattens at its ends.
        air: float, attenuation under which the detector is saturated.
    """

    kvp: float
    scatter: float
    photons: float
    blur_mm: float
    heel: np.ndarray
    wide: float
    middle: float
    fine: float
    clip: tuple[float, float]
    reserve: float
    lung_grey: float
    gamma: float
    sigmoid: float
    air: float


def draw_system(rng: np.random.Generator, weeks: float, *, randomised: bool) -> System:
    """Draw a system as wards have them; wider if `randomised`."""
    kvp = np.interp(np.log(weeks), np.log([40, 300, 1080]), [60, 68, 100])
    spread = 1.6 if randomised else 1.0
    return System(
        kvp=float(np.clip(kvp + rng.normal(0, 4), 50, 125)),
        scatter=rng.uniform(0.2, 0.9),
        photons=25_000 * 2 ** rng.normal(2.5, 0.6 * spread),
        blur_mm=rng.uniform(0.06, 0.16),
        heel=rng.normal(0, 0.05 * spread, 2),
        wide=rng.uniform(0.2, 0.5) if not randomised else rng.uniform(0.25, 1.0),
        middle=rng.uniform(0.65, 1.05),
        fine=np.clip(rng.normal(1.9, 0.45 * spread), 0.7, 3.5),
        clip=(
            rng.uniform(0.0, 1.2 + 2 * randomised),
            rng.uniform(97, 99.8) - 4 * randomised * rng.random(),
        ),
        reserve=rng.uniform(0.0, 0.35),
        lung_grey=rng.uniform(0.14, 0.46),
        gamma=float(2 ** rng.normal(0, 0.28 * spread)),
        sigmoid=rng.uniform(0, 1.0),
        air=rng.uniform(0.03, 0.3),
    )


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    size = tuple(max(1, round(side / factor)) for side in image.shape[::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def blur_wide(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur by a wide Gaussian on a reduced copy."""
    factor = max(1, int(sigma_px / 2.5))
    if factor == 1:
        return cv2.GaussianBlur(
            image, (0, 0), max(sigma_px, 0.3), borderType=cv2.BORDER_REPLICATE
        )
    small = cv2.GaussianBlur(
        _shrink(image, factor),
        (0, 0),
        sigma_px / factor,
        borderType=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def expose(
    rng: np.random.Generator,
    attenuation: np.ndarray,
    healthy: np.ndarray,
    *,
    body: np.ndarray,
    lungs: np.ndarray,
    system: System,
    spacing_mm: float,
) -> np.ndarray:
    """Return the film, `(H, W)` float32 in [0, 1], bone bright.

    Args:
        rng: random generator, of the noise alone.
        attenuation: `(H, W)` float32, line integrals.
        healthy: `(H, W)` float32, the same without disease and devices: exposure,
            scatter and table are set by it, so that these change nothing elsewhere.
        body: `(H, W)` bool, where the infant is.
        lungs: `(H, W)` bool, where its lungs are.
        system: settings.
        spacing_mm: float, side of a pixel.
    """
    beam = _draw_heel(system, attenuation.shape)
    image = cv2.exp(-attenuation) * beam
    reference = cv2.exp(-healthy) * beam
    longest = max(image.shape)
    # Scatter spreads over some 3 cm and leaves wherever the body is.
    factor = max(1, longest // 96)
    scatter = blur_wide(
        _shrink(reference * np.where(body, 1, 0.15).astype("float32"), factor),
        30 / (spacing_mm * factor),
    )
    scatter = cv2.resize(scatter, image.shape[::-1]) * np.float32(system.scatter)
    image += scatter
    reference += scatter
    known = reference[body] if body.any() else reference.ravel()
    level = float(np.median(known[:: max(1, known.size // 4096)]))
    photons = system.photons * spacing_mm**2 / max(level, 1e-6)
    noise = rng.standard_normal(image.shape, dtype="float32")
    noise *= cv2.sqrt(image * np.float32(1 / photons))
    image += noise
    sigma = np.hypot(system.blur_mm / spacing_mm, 0.35)
    image = cv2.GaussianBlur(image, (0, 0), float(sigma))
    shown = _process(_logarithm(image, system), system)
    table = _process(_logarithm(reference, system), system)
    known = table[body] if body.any() else table.ravel()
    known = known[:: max(1, known.size // 8192)]
    low, high = np.percentile(known, system.clip)
    high += system.reserve * (high - low)
    if (
        lungs.any()
    ):  # a table is chosen so that lungs are grey and what is thinner black
        dark = float(np.median(table[lungs]))
        low = min(low, (dark - system.lung_grey * high) / (1 - system.lung_grey))
    return look_up(shown, float(low), float(high), system)


def _draw_heel(system: System, shape) -> np.ndarray:
    height, width = shape
    x = np.linspace(-1, 1, width, dtype="float32")[None]
    y = np.linspace(-1, 1, height, dtype="float32")[:, None]
    return 1 + np.float32(system.heel[0]) * x + np.float32(system.heel[1]) * y


def _logarithm(image: np.ndarray, system: System) -> np.ndarray:
    """A detector saturates where no body dims the beam, and has a floor."""
    limited = np.clip(image, np.float32(2e-4), np.float32(np.exp(-system.air)))
    return -cv2.log(limited)


def _process(image: np.ndarray, system: System) -> np.ndarray:
    """Weigh the scales of an image: wide shadows, organs, detail."""
    longest = max(image.shape)
    middle = blur_wide(image, 0.004 * longest)
    wide = blur_wide(image, 0.10 * longest)
    fine = np.float32(system.fine) * (image - middle)
    organs = np.float32(system.middle) * (middle - wide)
    return fine + organs + np.float32(system.wide) * wide


def look_up(image, low: float, high: float, system: System) -> np.ndarray:
    """Map `low` and `high` to black and white by the table of greys."""
    span = max(high - low, 1e-3)
    x = np.clip((image - np.float32(low)) * np.float32(1 / span), -0.2, 1.2)
    # A curve that flattens at both ends, as display tables do; it clips beyond them.
    flat = 0.5 + 0.5 * np.tanh(np.float32(2.2) * (x - 0.5)) / np.float32(np.tanh(1.1))
    x = np.clip(x + np.float32(system.sigmoid) * (flat - x), 0, 1)
    return cv2.pow(x, system.gamma)
