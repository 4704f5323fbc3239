"""Random streams, one a structure, and smooth noise that belongs to the infant."""

import zlib

import cv2
import numpy as np

from rds_phantoms.view import View


def make_stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one structure: none moves when another is changed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def make_field(
    rng: np.random.Generator,
    grain_mm: float,
    view: View,
    reach_mm: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return smooth noise of mean 0 and variance 1, `(H, W)` float32.

    It belongs to the infant, not to the film: the same grains at any size of pixel.

    Args:
        rng: random generator.
        grain_mm: float, standard deviation of the smoothing in mm.
        view: position before the detector.
        reach_mm: how far from the middle of the chest across and along it; beyond, the
            grains are mirrored. Default None, over the whole film.
    """
    pitch = grain_mm / 1.2  # of the coarse grid
    if reach_mm is None:
        reach_mm = (max(view.shape) * view.spacing_mm * 0.75,) * 2
    columns, rows = (int(np.clip(2 * one / pitch, 8, 700)) + 4 for one in reach_mm)
    # Bytes are quick to draw, and the blur makes a normal distribution of them.
    coarse = np.frombuffer(rng.bytes(rows * columns), "uint8").reshape(rows, columns)
    coarse = cv2.GaussianBlur(coarse - np.float32(127.5), (0, 0), 1.2)
    coarse *= 1 / max(float(coarse.std()), 1e-6)
    # From a pixel of the film to the grid, turned with the infant.
    flat = view.rotation[:2, :2]
    scale = view.spacing_mm / pitch
    matrix = np.hstack([flat.T * scale, np.zeros((2, 1))])
    matrix[:, 2] = -matrix[:, :2] @ (view.centre_px - 0.5)
    matrix[:, 2] += columns / 2, rows / 2
    field = cv2.warpAffine(
        coarse,
        matrix,
        view.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    if scale > 1:  # grains finer than a pixel average out
        field *= np.float32(1 / scale)
    return field
