"""Plain measures of a chest film and its lung mask, the same for real and drawn ones.

Used by `benchmarks/phantom_realism.py` and `benchmarks/opacity.py`. A film is `(H, W)`
float in `[0, 1]`, bone bright; a mask `(H, W)` of {0, 1} holds both lungs.
"""

import cv2
import numpy as np

from rds_tf.lungs import rotation

EROSION = 0.04  # of the longer side: the lungs without border, ribs' arcs and recess
RING = 0.06  # of the longer side: how wide the surround is that contrast is taken to
# Cycles a pixel at a longer side of 512 px. Coarse: anatomy. Fine: ribs' edges, vessels
# and noise; above 0.25 stand the codec and the resampling of the stored films.
COARSE, FINE = (0.008, 0.05), (0.05, 0.25)
LONGEST = 512  # px, of the open films


def erode(mask: np.ndarray, share: float = EROSION) -> np.ndarray:
    """Erode a mask by a share of its longer side; unchanged where nothing is left."""
    eroded = cv2.erode(mask, _disc(share, mask.shape))
    return eroded if eroded.any() else mask


def _disc(share: float, shape: tuple[int, int]) -> np.ndarray:
    radius = round(share * max(shape))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)


def draw_hull(mask: np.ndarray) -> np.ndarray:
    """Fill the convex hull of a mask."""
    hull = cv2.convexHull(cv2.findNonZero(mask))
    return cv2.fillConvexPoly(np.zeros_like(mask), hull, 1)


def measure_opacity(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measure how opaque the lungs are, without any network.

    Both on the scale of percentile 1 to 99 inside the convex hull of both lungs, which
    no exposure and no display table moves as a whole.

    Returns:
        `"median grey"` inside the eroded lungs, and their `"10-90 % spread"`.
    """
    mask = mask.astype("uint8")
    low, high = np.percentile(image[draw_hull(mask) > 0], (1, 99))
    grey = (image[erode(mask) > 0] - low) / max(high - low, 1e-6)
    dark, middle, bright = np.percentile(grey, (10, 50, 90))
    return {"median grey": float(middle), "10-90 % spread": float(bright - dark)}


def measure_shape(mask: np.ndarray) -> dict[str, float]:
    """Measure film and lungs by their mask: proportions, tilt, size and place."""
    tall, wide = mask.shape
    angle = rotation.upright_angle(mask)
    across, along = _turn_upright(mask, angle)
    rows, columns = np.nonzero(mask)
    return {
        "film, height / width": tall / wide,
        "lungs, height / width": float(np.ptp(along) / np.ptp(across)),
        "tilt of the lungs, degrees": abs(angle),
        "lungs, share of the film": float(mask.mean()),
        "lungs' width / film's": float(np.ptp(across)) / wide,
        "lungs' centre, share of width": float(columns.mean()) / wide,
        "lungs' centre, share of height": float(rows.mean()) / tall,
    }


def _turn_upright(mask: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of a mask across and along the upright body, px."""
    rows, columns = np.nonzero(mask)
    sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    return columns * cos - rows * sin, columns * sin + rows * cos


def measure_cardiothoracic(mask: np.ndarray, heart: np.ndarray) -> float:
    """Return the widest extent of the heart over that of both lungs."""
    angle = rotation.upright_angle(mask)
    lungs, heart = (np.ptp(_turn_upright(one, angle)[0]) for one in (mask, heart))
    return float(heart / lungs)


def measure_grey(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measure greys of the film, and lungs against what is around and between them.

    Contrasts stand on the film's own scale of percentile 1 to 99.
    """
    mask = mask.astype("uint8")
    hull = draw_hull(mask)
    ring = cv2.dilate(hull, _disc(RING, mask.shape)) - hull
    low, high = np.percentile(image, (1, 99))

    def middle(part):
        inside = image[part > 0]
        return float(np.median(inside)) if inside.size else np.nan

    lung, scale = middle(mask), max(high - low, 1e-6)
    levels = {f"grey, {p} %": np.percentile(image, p) for p in (5, 25, 50, 75, 95)}
    return {
        "contrast, surround - lung": (middle(ring) - lung) / scale,
        "contrast, between lungs - lung": (middle(hull - mask) - lung) / scale,
        **{name: float(value) for name, value in levels.items()},
        "share of black": float((image < 2 / 255).mean()),
        "share of white": float((image > 253 / 255).mean()),
    }


def measure_spectrum(image: np.ndarray) -> dict[str, float]:
    """Measure how fast amplitude falls with frequency: slopes of power, log over log.

    The middle three quarters of the film, at a longer side of 512 px, under a Hann
    window. A slope of -2 is that of edges (Field, JOSA A 1987), 0 that of white noise.
    """
    scale = LONGEST / max(image.shape)
    if abs(scale - 1) > 0.01:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        size = [round(scale * side) for side in image.shape[::-1]]
        image = cv2.resize(image, size, interpolation=how)
    cut = tuple(slice(side // 8, side - side // 8) for side in image.shape)
    part = image[cut].astype("float64")
    part = (part - part.mean()) / (part.std() + 1e-6)
    window = np.outer(*(np.hanning(side) for side in part.shape))
    power = np.abs(np.fft.fft2(part * window)) ** 2
    rows, columns = (np.fft.fftfreq(side) for side in part.shape)
    frequency = np.hypot(rows[:, None], columns[None])
    return {
        "spectrum, slope coarse": _fit_slope(frequency, power, COARSE),
        "spectrum, slope fine": _fit_slope(frequency, power, FINE),
        "finest detail, log10 of its power": _band_power(frequency, power),
    }


def _fit_slope(frequency, power, band: tuple[float, float]) -> float:
    """Fit a line through the radial mean of power in 12 rings of equal log width."""
    edges = np.geomspace(*band, 13)
    place = np.digitize(frequency.ravel(), edges) - 1
    inside = (place >= 0) & (place < 12)
    count = np.bincount(place[inside], minlength=12)
    total = np.bincount(place[inside], power.ravel()[inside], minlength=12)
    middle = np.sqrt(edges[:-1] * edges[1:])
    held = (count > 0) & (total > 0)
    mean = np.log(total[held] / count[held])
    return float(np.polyfit(np.log(middle[held]), mean, 1)[0])


def _band_power(frequency, power) -> float:
    """Return the share of all power that lies beyond a quarter cycle a pixel, log10."""
    return float(np.log10(power[frequency > FINE[1]].sum() / power.sum() + 1e-12))


def measure_film(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return all measures of a film with its lungs."""
    mask = (mask > 0).astype("uint8")
    return {
        **measure_shape(mask),
        **measure_grey(image, mask),
        **{f"lungs, {k}": v for k, v in measure_opacity(image, mask).items()},
        **measure_spectrum(image),
    }
