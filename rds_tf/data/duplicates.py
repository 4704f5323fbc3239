"""Near-duplicate detection: one film stored twice, with other pixels.

A film that was sent again as JPEG, or reduced, has other pixels and yet is no new case:
in another fold it would be a leak. So films are compared by their thumbnails.
"""

import hashlib
import re

import cv2
import numpy as np

SIDE_PX = 16
MIN_CORRELATION = 0.997  # copies 0.9998, other children 0.989 at most: reliability.md
MIN_CONTRAST = 1 / 255  # an image of less is uniform
BLOCK = 512  # thumbnails compared with as many others at a time


def hash_pixels(image: np.ndarray) -> str:
    """Hash the size and the 8-bit levels of an image `(H, W)` in [0, 1]."""
    levels = np.rint(image * 255).astype(np.uint8)
    return hashlib.sha256(str(levels.shape).encode() + levels.tobytes()).hexdigest()


def make_thumbnail(image: np.ndarray) -> str:
    """Reduce an image `(H, W)` of any range to 16 x 16 levels.

    Returns:
        512 hexadecimal digits: the levels from 0, the darkest, to 255, the brightest;
        all 0 for a uniform image.
    """
    size = (SIDE_PX, SIDE_PX)
    small = cv2.resize(image.astype("float32"), size, interpolation=cv2.INTER_AREA)
    spread = float(np.ptp(small))
    if spread < MIN_CONTRAST:
        return bytes(SIDE_PX**2).hex()
    levels = np.rint((small - small.min()) / spread * 255)
    return levels.astype(np.uint8).tobytes().hex()


def is_thumbnail(text: str) -> bool:
    """Say whether a text is one of `make_thumbnail`."""
    return re.fullmatch(f"[0-9a-f]{{{2 * SIDE_PX**2}}}", text) is not None


def read_thumbnail(text: str) -> np.ndarray:
    """Read a text of `make_thumbnail`: uint8 `(256,)`."""
    return np.frombuffer(bytes.fromhex(text), np.uint8)


def find_near_duplicates(names: list[str], thumbnails: np.ndarray) -> list[str]:
    """Find the groups of near-duplicates.

    Two films are near-duplicates if the correlation of their thumbnails is at least
    `MIN_CORRELATION`, or if others link them. A uniform film has none.

    Args:
        names: of the cases, each once, in any order.
        thumbnails: uint8 `(N, 256)`, one a case.

    Returns:
        The name of each case's group, which is the first, in the alphabet, of its
        cases; "" for a case without near-duplicates.
    """
    parent = list(range(len(names)))  # a union-find forest: roots lead the groups

    def find_root(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    # A block with itself and each later one: memory stays small for a million films.
    for start in range(0, len(names), BLOCK):
        levels = _standardize(thumbnails[start : start + BLOCK])
        for stop in range(start, len(names), BLOCK):
            correlation = levels @ _standardize(thumbnails[stop : stop + BLOCK]).T
            for one, other in np.argwhere(correlation >= MIN_CORRELATION):
                if start + one < stop + other:
                    pair = find_root(start + one), find_root(stop + other)
                    first, second = sorted(pair, key=names.__getitem__)
                    parent[second] = first
    leaders = [names[find_root(place)] for place in range(len(names))]
    groups = {name for name, own in zip(leaders, names, strict=True) if name != own}
    return [name if name in groups else "" for name in leaders]


def _standardize(thumbnails: np.ndarray) -> np.ndarray:
    """Return levels of mean 0 and length 1, float32; a uniform thumbnail is all 0."""
    levels = thumbnails.astype(np.float32)
    levels -= levels.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(levels, axis=1, keepdims=True)
    levels /= np.where(norm > 0, norm, 1)
    return levels
