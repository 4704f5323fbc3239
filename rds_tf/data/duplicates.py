"""Films that look the same: one picture stored twice, in other pixels.

A film sent again as JPEG, or reduced, has other pixels than the film, and yet it is no
new case: in another fold it would be a leak. So films are compared as small pictures.
"""

import hashlib
import re

import cv2
import numpy as np

SIDE_PX = 16
MIN_CORRELATION = 0.997  # copies 0.9998, other children 0.989 at most: reliability.md
BLANK = 1 / 255  # a film of less contrast shows nothing
BLOCK = 512


def hash_pixels(image: np.ndarray) -> str:
    """Hash what an image shows at 8 bits: the same for one film stored twice."""
    levels = np.rint(image * 255).astype(np.uint8)
    return hashlib.sha256(str(levels.shape).encode() + levels.tobytes()).hexdigest()


def make_thumbnail(image: np.ndarray) -> str:
    """Describe what a film looks like from afar.

    Args:
        image: `(H, W)` float32, any levels.

    Returns:
        512 hexadecimal digits: the film as 16 x 16 levels from its darkest to its
        brightest, 0 to 255; all 0 for a uniform one.
    """
    size = (SIDE_PX, SIDE_PX)
    small = cv2.resize(image.astype("float32"), size, interpolation=cv2.INTER_AREA)
    spread = float(np.ptp(small))
    if spread < BLANK:
        return bytes(SIDE_PX**2).hex()
    return (
        np.rint((small - small.min()) / spread * 255).astype(np.uint8).tobytes().hex()
    )


def is_thumbnail(text: str) -> bool:
    """Say whether a text is one that `describe_look` writes."""
    return re.fullmatch(f"[0-9a-f]{{{2 * SIDE_PX**2}}}", text) is not None


def read_thumbnail(look: str) -> np.ndarray:
    """Read what `describe_look` wrote: uint8 `(256,)`."""
    return np.frombuffer(bytes.fromhex(look), np.uint8)


def find_near_duplicates(names: list[str], looks: np.ndarray) -> list[str]:
    """Find the films that look the same.

    Two films do where the correlation of their looks is `MIN_CORRELATION` or more, and
    those do that are so joined through others. A uniform film is like no other.

    Args:
        names: of the cases, each once.
        looks: uint8 `(N, 256)` of `read_look`, one a case.

    Returns:
        For each case the first name, in the alphabet, among the cases that look like
        it; "" where there is no other. The order of the cases plays no part.
    """
    leader = list(range(len(names)))

    def lead(place: int) -> int:
        while leader[place] != place:
            place = leader[place]
        return place

    for start in range(0, len(names), BLOCK):
        levels = _normalise(looks[start : start + BLOCK])
        for stop in range(start, len(names), BLOCK):  # a block at a time in memory
            likeness = levels @ _normalise(looks[stop : stop + BLOCK]).T
            for one, other in np.argwhere(likeness >= MIN_CORRELATION):
                if start + one < stop + other:
                    pair = lead(start + one), lead(stop + other)
                    first, second = sorted(pair, key=names.__getitem__)
                    leader[second] = first
    leaders = [names[lead(place)] for place in range(len(names))]
    joined = {name for name, own in zip(leaders, names, strict=True) if name != own}
    return [name if name in joined else "" for name in leaders]


def _normalise(looks: np.ndarray) -> np.ndarray:
    """Return looks of mean 0 and length 1, float32; a uniform one is 0."""
    levels = looks.astype(np.float32)
    levels -= levels.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(levels, axis=1, keepdims=True)
    levels /= np.where(norm > 0, norm, 1)
    return levels
