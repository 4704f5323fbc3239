"""What is on a film beside the infant: its edges, letters, markers and mishaps."""

import cv2
import numpy as np

from rds_phantoms import view as views
from rds_phantoms.body import Body
from rds_phantoms.view import View


def draw_tilt(rng: np.random.Generator) -> float:
    """Draw the tilt of an infant on its film in degrees.

    3,165 films of intensive care (MAIDA-NICU): median 4.3 to either side, 15 % beyond
    10 degrees, 2 % beyond 20.
    """
    wide = rng.random() < 0.12
    return float(rng.normal(0, 14 if wide else 5.6))


def place(
    rng: np.random.Generator,
    body: Body,
    shape: tuple[int, int],
    angle_degrees: float,
    *,
    randomised: bool = False,
) -> View:
    """Choose how much of the infant the film shows, and where.

    Args:
        rng: random generator.
        body: whom to show.
        shape: height and width in pixels.
        angle_degrees: float, turn counter-clockwise.
        randomised: bool, also small, cut and far off the middle.
    """
    rotation = views.turn(angle_degrees, rng.normal(-4, 6), rng.normal(0, 5))
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    foot = np.mean([dome.top for dome in body.domes]) + 0.16 * body.size.spine_mm
    box = np.array(
        [
            [x * width, y, z * depth]
            for x in (-1, 1)
            for z in (-0.3, 0.3)
            for y in (body.level_0, foot)
        ]
    )
    seen = (box @ rotation.T)[:, :2]
    low, high = seen.min(0), seen.max(0)
    room = np.array(shape[::-1], "float64")
    largest = (room / (high - low)).min()  # pixels a mm at which the lungs just fit
    whole = 0.02 + 0.12 * (body.size.newborn > 0.8)  # babygrams are for babies
    cut = 0.1 * randomised
    kinds = [0.9 - whole - cut - 0.3, 0.3, whole, 0.1 - 0.1 * (not randomised)]
    kinds = np.array(kinds) / sum(kinds)
    kind = rng.choice(4, p=kinds)  # chest, with some belly, babygram, cut
    span = [(0.8, 1.0), (0.62, 0.82), (0.34, 0.6), (1.0, 1.12)][kind]
    unit = largest * rng.uniform(*span)
    free = room - unit * (high - low)
    share = np.clip(
        rng.normal(0.5, 0.13 + 0.07 * body.size.newborn, 2),
        -0.05 if randomised else 0.03,
        0.97,
    )
    # More belly than head shows below an upright chest, more so on a babygram.
    down = rotation[:2, 1] * 0.12 * (kind == 2)
    corner = free * np.clip(share - down, 0.0, 1.0)
    return View(rotation, corner - unit * low, 1 / unit, tuple(shape))


def collimate(
    rng: np.random.Generator, shape: tuple[int, int], *, randomised: bool = False
) -> np.ndarray:
    """Return the corners of the exposed part, `(4, 2)` px, mostly the whole film."""
    height, width = shape
    chance, most = (0.3, 0.12) if randomised else (0.3, 0.07)
    cut = most * (rng.random() < chance)
    left, right, upper, lower = rng.uniform(0, cut + 1e-9, 4) * (
        width,
        width,
        height,
        height,
    )
    box = np.array(
        [
            (left, upper),
            (width - right, upper),
            (width - right, height - lower),
            (left, height - lower),
        ]
    )
    if cut:
        box += rng.normal(0, 0.012, (4, 2)) * max(shape)
    return box


def draw_beam(beam: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the exposed part as `(H, W)` uint8 of {0, 1}."""
    exposed = np.zeros(shape, "uint8")
    # OpenCV paints the rim of a polygon too: pixel i spans [i, i + 1].
    inner = np.where(beam > beam.mean(0), beam - 1, beam)
    cv2.fillPoly(exposed, [np.rint(inner).astype("int32")], 1)
    return exposed


def finish(
    rng: np.random.Generator,
    image: np.ndarray,
    exposed: np.ndarray,
    view: View,
    *,
    randomised: bool = False,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Blank what the beam leaves out, write markers and letters.

    Args:
        rng: random generator.
        image: `(H, W)` float32 in [0, 1].
        exposed: `(H, W)` uint8 of {0, 1} from `draw_beam`.
        view: for the side of the marker.
        randomised: bool, more of all, grid lines, another curve, inversion.

    Returns:
        `(H, W)` float32 in [0, 1], and what is written on it.
    """
    image = image * np.float32(rng.uniform(0.9, 1.0))
    outside = rng.choice([0.0, 0.03, 0.9], p=[0.6, 0.37, 0.03])
    if not exposed.all():
        dim = rng.uniform(0.0, 0.12)  # scatter behind the blades
        image = np.where(exposed > 0, image, np.float32(outside) + dim * image)
    letters, words = np.zeros(image.shape, "uint8"), []
    if rng.random() < 0.65:
        words.append(_write_side(rng, letters, view))
    for _ in range(
        rng.choice(4, p=[0.6, 0.2, 0.13, 0.07]) if randomised else rng.random() < 0.25
    ):
        text = str(
            rng.choice(
                [
                    "AP",
                    "KV60",
                    "17:13:03",
                    "A-P",
                    "SUPINE",
                    "SEMI",
                    f"{rng.integers(10**6)}",
                    "PORTABLE",
                ]
            )
        )
        words.append(text)
        _write(
            rng,
            letters,
            text,
            np.array([rng.choice([0.02, 0.75]), rng.choice([0.06, 0.12, 0.97])]),
        )
    if letters.any():
        image = np.maximum(image, letters * np.float32(1 / 255))
    if randomised:
        image = _mishap(rng, image)
    return np.clip(image, 0, 1).astype("float32"), tuple(words)


def _write_side(rng, letters: np.ndarray, view: View) -> str:
    """Write R beside the infant's right side, or L beside its left; return it."""
    height, width = letters.shape
    right = rng.random() < 0.75
    aim = view.rotation[:2, 0] * (-1 if right else 1)  # where that side lies
    across = (
        0.5 + 0.44 * np.sign(aim[0]) if abs(aim[0]) > 0.3 else rng.uniform(0.1, 0.9)
    )
    down = rng.uniform(0.06, 0.5) if abs(aim[0]) > 0.3 else 0.5 + 0.42 * np.sign(aim[1])
    text = "R" if right else "L"
    _write(rng, letters, text, np.array([across - 0.02, down]))
    return text


def _write(rng, letters: np.ndarray, text: str, place_: np.ndarray) -> None:
    height, width = letters.shape
    size = max(width, height) / 512 * rng.uniform(0.7, 1.6) / len(text) ** 0.4
    at = (int(np.clip(place_[0], 0.01, 0.93) * width), int(place_[1] * height))
    bright = int(rng.uniform(200, 255))
    cv2.putText(
        letters, text, at, 0, size, bright, max(1, round(1.6 * size)), cv2.LINE_AA
    )


def _mishap(rng, image: np.ndarray) -> np.ndarray:
    """Grid lines, another characteristic curve, an uneven beam, inversion."""
    height, width = image.shape
    x = np.linspace(-1, 1, width, dtype="float32")
    y = np.linspace(-1, 1, height, dtype="float32")[:, None]
    if rng.random() < 0.3:
        tilt = rng.normal(0, 0.08, 2).astype("float32")
        image = image + (image > 0.02) * (tilt[0] * x + tilt[1] * y)
    if rng.random() < 0.08:
        turns = rng.uniform(0.15, 0.45) * np.array([width, height])
        turns *= rng.permutation([1.0, rng.uniform(0, 0.1)])
        a, b = np.pi * float(turns[0]) * x, np.pi * float(turns[1]) * y
        # sin(a + b), from sines of a row and a column
        lines = np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b)
        image = image + rng.uniform(0.01, 0.04) * lines
    if rng.random() < 0.3:  # another characteristic curve, still rising
        knots = [0, *np.sort(rng.uniform(0, 1, 3)), 1]
        image = np.interp(image, np.linspace(0, 1, 5), knots)
    if rng.random() < 0.05:
        image = 1 - image
    return np.clip(image, 0, 1).astype("float32")
