"""Random changes of films and their masks, by OpenCV and NumPy.

What is drawn depends on the generator that is handed in and on nothing else, so that
runs repeat and batches can be made in parallel: both libraries let other threads run.
"""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

NUM_GRAINS = 2**22  # drawn once; the grain of a film begins anywhere among them
LEVELS = np.linspace(0, 1, 256, dtype=np.float32)


@dataclass(frozen=True)
class Geometry:
    """How far images are turned, scaled and shifted.

    Stretch, scale and shift together move the four edges of the region of interest,
    each for itself.
    """

    turned: float  # proportion turned by up to the angle, others by 15 degrees at most
    max_angle_degrees: float
    scale: tuple[float, float]  # smallest and largest magnification
    stretch: float = 1.0  # most by which height grows against width, or shrinks
    shift: float = 0.08  # most, of the side


ANY_ANGLE = Geometry(0.5, 180.0, (0.7, 1.4))
MOSTLY_UPRIGHT = Geometry(0.2, 180.0, (0.85, 1.35))  # as the upright pass sees them
STRAIGHT = Geometry(0.5, 12.0, (0.8, 1.25))
# For chests of other ages, breaths and pixels that are not square; a choice.
ANY_SHAPE = Geometry(0.5, 12.0, (0.8, 1.25), stretch=1.25, shift=0.1)


@dataclass(frozen=True)
class Look:
    """In which proportion of films the look is changed, for it to mean nothing.

    A network that learns from drawings alone must not lean on how they are drawn. All
    proportions are choices.

    Attributes:
        grey_table: other greys, see `draw_grey_table`.
        blurred: see `blur`.
        grainy: see `add_grain`.
        styled: the low frequencies of another film, see `mix_amplitudes`.
        amplitudes: of those films, from `measure_amplitudes`; None for no such films.
    """

    grey_table: float = 0.7
    blurred: float = 0.3
    grainy: float = 0.3
    styled: float = 0.5
    amplitudes: np.ndarray | None = None


def vary_batch(
    images: np.ndarray,
    masks: np.ndarray | None,
    seed: int,
    geometry: Geometry = ANY_ANGLE,
    look: Look | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Augment each image of a batch at random, and its mask in the same way.

    Args:
        images: uint8 `(B, S, S, 1)`.
        masks: uint8 `(B, S, S, M)` of {0, 1}, None without any.
        seed: the same gives the same batch.
        geometry: how far images are turned and scaled.
        look: how their look is changed before, None for not at all.

    Returns:
        float32 `(B, S, S, 1)` in `[0, 1]`, and masks as they came, or None.
    """
    rng = np.random.default_rng(seed)
    varied = np.empty(images.shape, np.float32)
    moved = None if masks is None else np.empty_like(masks)
    num_masks = 0 if masks is None else masks.shape[-1]
    for place, image in enumerate(images[..., 0]):
        image = vary_look(image, rng, look) if look else image
        matrix = draw_matrix(rng, len(image), geometry)
        varied[place, ..., 0] = vary_intensity(move(image, matrix), rng)
        for channel in range(num_masks):  # two at once take twice as long
            mask = np.ascontiguousarray(masks[place, ..., channel])
            moved[place, ..., channel] = move(mask, matrix, cv2.INTER_NEAREST)
    return varied, moved


def draw_matrix(rng: np.random.Generator, size: int, geometry: Geometry) -> np.ndarray:
    """Draw how an image is moved: `(2, 3)`, from each pixel to where it comes from."""
    large = geometry.max_angle_degrees
    limit = large if rng.random() < geometry.turned else min(15.0, large)
    angle = math.radians(rng.uniform(-limit, limit))
    scale = math.exp(rng.uniform(*map(math.log, geometry.scale)))
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    centre = (size - 1) / 2
    right, down = size * rng.uniform(-geometry.shift, geometry.shift, 2)
    a, b, c, d = cos * mirror, -sin, sin * mirror, cos
    if geometry.stretch > 1:  # along the film's own height, before it is turned
        limit = math.log(geometry.stretch)
        half = math.exp(rng.uniform(-limit, limit) / 2)
        a, b, c, d = a * half, b * half, c / half, d / half
    right, down = right + centre * (1 - a - b), down + centre * (1 - c - d)
    return np.array([[a, b, right], [c, d, down]])


def move(
    image: np.ndarray, matrix: np.ndarray, between: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """Look up each pixel where the matrix says; black and 0 outside.

    A mask is looked up in half of the time by its nearest pixels: turned ellipses then
    match the truth with an IoU of 0.992 where weights and rounding give 0.994, and are
    no larger and lie nowhere else.
    """
    flags = between | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=flags)


def vary_intensity(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary exposure, gamma, grain and sharpness of a film and cover a rectangle.

    The settings follow nnU-Net (Isensee et al., Nature Methods 2021), scaled to
    radiographs: gamma 0.6 to 1.6 (in three of ten on the inverted film), contrast
    0.7 to 1.3, noise up to 0.06, lower resolution, a blank device or tape.

    Args:
        image: uint8 `(S, S)`.

    Returns:
        float32 `(S, S)` in `[0, 1]`.
    """
    grey = cv2.LUT(image, _draw_curve(rng))
    height, width = image.shape
    if rng.random() < 0.2:
        small = cv2.resize(grey, (max(1, width // 2), max(1, height // 2)))
        grey = cv2.resize(small, (width, height))
    sigma, grains = 0.06 * rng.random() ** 2, _draw_grains()
    start = rng.integers(len(grains) - image.size)
    grain = grains[start : start + image.size].reshape(image.shape)
    grey = cv2.scaleAdd(grain, sigma, grey)
    if rng.random() < 0.3:
        top, left = (rng.uniform(0.0, 0.9, 2) * image.shape).astype(int)
        tall, wide = np.ceil(rng.uniform(0.03, 0.2, 2) * image.shape).astype(int)
        grey[top : top + tall, left : left + wide] = rng.random()
    return np.clip(grey, 0, 1, out=grey)


def vary_look(image: np.ndarray, rng: np.random.Generator, look: Look) -> np.ndarray:
    """Change the look of a film uint8 `(S, S)` in the proportions of `look`."""
    if look.amplitudes is not None and rng.random() < look.styled:
        amplitude = look.amplitudes[rng.integers(len(look.amplitudes))]
        image = mix_amplitudes(image, amplitude, rng.random())
    if rng.random() < look.grey_table:
        image = cv2.LUT(image, draw_grey_table(rng))
    if rng.random() < look.blurred:
        image = blur(image, rng)
    if rng.random() < look.grainy:
        image = add_grain(image, rng)
    return image


def draw_grey_table(rng: np.random.Generator) -> np.ndarray:
    """Draw the grey that each of 256 becomes: uint8 `(256,)` that never falls.

    A cubic Bezier curve from black to white with two points at random between (Zhou et
    al., Models Genesis, Medical Image Analysis 2021), here laid between it and no
    change by another random number, and never inverted.
    """
    (x1, x2), (y1, y2) = rng.random((2, 2))
    t = LEVELS
    once, twice, thrice = 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    x, y = once * x1 + twice * x2 + thrice, once * y1 + twice * y2 + thrice
    curve = np.interp(LEVELS, x, y)
    mixed = LEVELS + rng.random() * (curve - LEVELS)
    return np.round(255 * mixed).astype("uint8")


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur a film uint8 `(S, S)` by a Gaussian of 0.3 to 1.5 px; a choice."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.5))


def add_grain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add grain of 1 to 3 px and a deviation of up to 0.05 to a film uint8 `(S, S)`.

    Grain of real films is no white noise: detector, scatter and scaling smooth it.
    """
    height, width = image.shape
    size = int(rng.integers(1, 4))
    tall, wide = -(-height // size), -(-width // size)
    grains = _draw_grains()
    start = rng.integers(len(grains) - tall * wide)
    coarse = grains[start : start + tall * wide].reshape(tall, wide)
    grain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    sigma = 255 * 0.05 * rng.random()
    return cv2.add(image, sigma * grain, dtype=cv2.CV_8U)  # rounded and kept in range


def measure_amplitudes(images: np.ndarray, beta: float = 0.01) -> np.ndarray:
    """Measure the amplitudes of the low frequencies of films, for `mix_amplitudes`.

    Args:
        images: uint8 `(K, S, S, 1)`.
        beta: float, highest frequency as a proportion of the side. Yang and Soatto
            tried 0.01 to 0.09 on streets. How white lungs are is a low frequency too:
            the larger `beta` is, the less of it is left.

    Returns:
        float32 `(K, 2 R + 1, R + 1)`, R being `beta` times S rounded down, at least 1.
    """
    reach = max(1, int(beta * images.shape[1]))
    rows = np.arange(-reach, reach + 1)
    spectra = [fft.rfft2(image[..., 0].astype("float32") / 255) for image in images]
    return np.abs(np.stack([one[rows, : reach + 1] for one in spectra]))


def mix_amplitudes(
    image: np.ndarray, amplitude: np.ndarray, proportion: float = 1.0
) -> np.ndarray:
    """Give a film the low frequencies' amplitudes of another one, with its own phase.

    Fourier domain adaptation (Yang and Soatto, CVPR 2020, arXiv:2004.05498); mixed in a
    proportion after Xu et al., CVPR 2021, arXiv:2105.11120.

    Args:
        image: uint8 `(S, S)`.
        amplitude: `(2 R + 1, R + 1)`, one of `measure_amplitudes`.
        proportion: float in `[0, 1]`, 0 for the film's own amplitudes.

    Returns:
        uint8 `(S, S)`.
    """
    reach = amplitude.shape[1] - 1
    rows = np.arange(-reach, reach + 1)
    spectrum = fft.rfft2(image.astype("float32") / 255)
    low = spectrum[rows, : reach + 1]
    own = np.abs(low)
    mixed = own + proportion * (amplitude - own)
    spectrum[rows, : reach + 1] = mixed * np.exp(1j * np.angle(low))
    film = fft.irfft2(spectrum, image.shape)
    return np.round(255 * np.clip(film, 0, 1)).astype("uint8")


def _draw_curve(rng: np.random.Generator) -> np.ndarray:
    """Draw the grey, beyond [0, 1] too, that each of 256 levels becomes."""
    gamma = np.exp(rng.uniform(np.log(0.6), np.log(1.6)))
    curve = 1 - (1 - LEVELS) ** gamma if rng.random() < 0.3 else LEVELS**gamma
    contrast, lift = rng.uniform(0.7, 1.3), rng.uniform(-0.12, 0.12)
    return ((curve - 0.5) * contrast + (0.5 + lift)).astype(np.float32)


@functools.cache
def _draw_grains() -> np.ndarray:
    """Draw normal numbers, float32, once: they take longer than all else."""
    return np.random.default_rng(0).standard_normal(NUM_GRAINS, np.float32)
