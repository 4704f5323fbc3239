"""Pictures that are no frontal chest film, drawn or made by spoiling one that is.

Used by `benchmarks/out_of_distribution.py`. `python benchmarks/ood_images.py SHEET.png`
draws a contact sheet of all kinds, to look at.
"""

import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from scipy import stats

from rds_phantoms import phantom, training
from rds_tf.data import prepare

HALVES = ("all", "choose", "report")

SIDE = 320  # px of a drawn body; the films of other kinds vary about it


def make_chest(rng) -> np.ndarray:
    """Draw the chest film that the corrupted kinds spoil, upright, of any age."""
    shape = tuple(int(side) for side in rng.integers(240, 420, 2))
    severity = rng.uniform(0, 1) * (rng.random() < 0.5)
    seed, weeks = int(rng.integers(2**31)), training.draw_weeks(rng)
    angle = rng.normal(0, 4)
    return phantom.make_phantom(seed, shape, severity, angle, weeks=weeks).image


# ---------------------------------------------------------------- drawn bodies


class Body:
    """A map of attenuation `(SIDE, SIDE)`, painted in units of its side."""

    def __init__(self, rng, wobble: float = 0.008):
        """Begin with nothing; every point that is painted moves by `wobble`."""
        self.rng, self.wobble = rng, wobble
        self.attenuation = np.zeros((SIDE, SIDE), "float32")

    def _paint(self, points, width=None, smooth=True) -> np.ndarray:
        points = np.asarray(points, "float64")
        points = points + self.rng.normal(0, self.wobble, points.shape)
        if smooth and len(points) > 2:
            points = _smooth(points, closed=width is None)
        fixed = [np.rint(points * SIDE * 16).astype("int32")]
        layer = np.zeros((SIDE, SIDE), "uint8")
        if width is None:
            cv2.fillPoly(layer, fixed, 255, cv2.LINE_AA, 4)
        else:
            thick = max(1, round(width * SIDE))
            cv2.polylines(layer, fixed, False, 255, thick, cv2.LINE_AA, 4)
        return layer / np.float32(255)

    def soft(self, points, density=1.0, depth=0.12, width=None) -> None:
        """Add a rounded body of soft tissue; a negative density takes it away."""
        layer = self._paint(points, width)
        self.attenuation += density * _thickness(layer > 0.5, depth * SIDE)

    def bone(self, points, width, density=0.7, smooth=True) -> None:
        """Add a long bone along a line: dense rim, paler marrow, wide ends."""
        points = np.asarray(points, "float64")
        outer = self._paint(points, width, smooth)
        for end in (points[0], points[-1]):
            at = tuple(int(value * SIDE) for value in end)
            knob = int(0.66 * width * SIDE)
            cv2.circle(outer, at, max(1, knob), 1.0, -1, cv2.LINE_AA)
        self.shell(outer, density, 0.22 * width)

    def plate(self, points, density=0.6, rim=0.012) -> None:
        """Add a flat bone: an outline with a dense rim."""
        self.shell(self._paint(points), density, rim)

    def shell(self, outer, density, rim) -> None:
        """Add a body by its layer `(SIDE, SIDE)` with a denser rim."""
        size = max(1, round(rim * SIDE))
        inner = cv2.erode(outer, np.ones((2 * size + 1,) * 2))
        layer = cv2.GaussianBlur(outer - 0.5 * inner, (0, 0), 0.8)
        self.attenuation += density * layer

    def ellipse(self, x, y, wide, tall, turn=0.0) -> np.ndarray:
        """Return 12 points of an ellipse for `soft` and `plate`."""
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        points = np.stack([wide * np.cos(angle), tall * np.sin(angle)], 1)
        cos, sin = np.cos(turn), np.sin(turn)
        return points @ np.array([[cos, sin], [-sin, cos]]) + (x, y)

    def spine(self, points, width, count, density=0.5) -> None:
        """Add vertebrae along a line."""
        line = _smooth(np.asarray(points, "float64"), closed=False)
        places = np.linspace(0, len(line) - 1, count + 1)
        for low, high in zip(places[:-1], places[1:], strict=True):
            a, b = line[int(low)], line[int(high)]
            self.bone([a + 0.15 * (b - a), b - 0.15 * (b - a)], width, density, False)

    def develop(self) -> np.ndarray:
        """Expose the film: scatter, grain, contrast, some turned or collimated."""
        rng, dose = self.rng, self.attenuation
        dose = dose + 0.04 * _coloured(rng, dose.shape, 1.2) * (dose > 0.02)
        share = rng.uniform(0.05, 0.3)
        dose = (1 - share) * dose + share * cv2.GaussianBlur(dose, (0, 0), 0.1 * SIDE)
        dose = dose + rng.uniform(0.005, 0.03) * rng.standard_normal(dose.shape)
        dose = cv2.GaussianBlur(dose.astype("float32"), (0, 0), rng.uniform(0.4, 1.0))
        high = np.percentile(dose, 99.7) * rng.uniform(0.85, 1.05)
        film = np.clip(dose / high, 0, 1) ** 2 ** rng.uniform(-0.8, 0.5)
        matrix = cv2.getRotationMatrix2D((SIDE / 2,) * 2, rng.normal(0, 6), 1.0)
        matrix[:, 2] += rng.normal(0, 0.02 * SIDE, 2)
        border = cv2.BORDER_REPLICATE
        film = cv2.warpAffine(film, matrix, (SIDE, SIDE), borderMode=border)
        film = np.rot90(film, rng.choice(4, p=[0.7, 0.1, 0.1, 0.1]))
        if rng.random() < 0.5:
            film = film[:, ::-1]
        low, right = rng.uniform(0.9, 1, 2)
        film = film[: int(low * SIDE), : int(right * SIDE)]
        size = [round(side * rng.uniform(0.8, 1.5)) for side in film.shape[::-1]]
        return cv2.resize(np.ascontiguousarray(film), size)


def _smooth(points: np.ndarray, *, closed: bool) -> np.ndarray:
    """Round off corners by Chaikin's cutting, three times."""
    for _ in range(3):
        after = np.roll(points, -1, 0)
        if not closed:
            ends, points, after = points[[0, -1]], points[:-1], after[:-1]
        near, far = 0.75 * points + 0.25 * after, 0.25 * points + 0.75 * after
        points = np.stack([near, far], 1).reshape(-1, 2)
        if not closed:
            points = np.vstack([ends[:1], points, ends[1:]])
    return points


def _thickness(inside: np.ndarray, radius_px: float) -> np.ndarray:
    """Return the depth of a rounded body, 0 at its rim and 1 from `radius_px` on."""
    # A body that the image cuts goes on beyond it: the edge of the image is no rim.
    padded = cv2.copyMakeBorder(
        inside.astype("uint8"), 1, 1, 1, 1, cv2.BORDER_REPLICATE
    )
    rim = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    rest = 1 - np.minimum(rim / np.float32(max(radius_px, 1.0)), 1)
    return np.sqrt(1 - rest**2)  # a circle's height at a distance from its rim


def _coloured(rng, shape, slope: float) -> np.ndarray:
    """Return noise whose amplitude falls with frequency, of unit variance."""
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.rfftfreq(shape[1])
    frequency = np.hypot(rows[:, None], columns[None])
    frequency[0, 0] = 1
    waves = np.fft.rfft2(rng.standard_normal(shape)) / frequency**slope
    field = np.fft.irfft2(waves, shape)
    return ((field - field.mean()) / field.std()).astype("float32")


def make_hand(rng) -> np.ndarray:
    """Draw a hand: wrist, carpals, metacarpals, phalanges."""
    body = Body(rng, 0.005)
    wrist, size = np.array([0.5, 0.78]), rng.uniform(0.85, 1.1)
    spread = rng.uniform(0.8, 1.25)
    palm = [(-0.13, 0), (-0.19, -0.2), (-0.16, -0.36), (0.13, -0.34), (0.17, -0.12)]
    body.soft(wrist + size * np.array([*palm, (0.12, 0)]), 0.7, 0.06)
    body.soft([wrist + (0, -0.05), wrist + (0, 0.4)], 0.8, 0.07, width=0.22)
    for angle, start, parts in (
        (-62, (-0.09, -0.06), (0.13, 0.11, 0.09)),
        (-14, (-0.085, -0.13), (0.2, 0.13, 0.09, 0.07)),
        (-3, (-0.03, -0.14), (0.2, 0.15, 0.1, 0.07)),
        (8, (0.03, -0.13), (0.18, 0.13, 0.1, 0.07)),
        (20, (0.08, -0.11), (0.16, 0.1, 0.08, 0.06)),
    ):
        turn = np.deg2rad(angle * spread + rng.normal(0, 3))
        heading = np.array([np.sin(turn), -np.cos(turn)])
        joint = wrist + size * np.array(start)
        tip = joint + size * sum(parts) * heading
        body.soft([joint, tip + 0.01 * heading], 0.45, 0.04, width=0.085)
        for length in parts:
            after = joint + size * length * heading
            gap = 0.013 * heading
            body.bone([joint + gap, after - gap], 0.03 * size, 0.8, smooth=False)
            joint = after
    for x, y in rng.uniform((-0.1, -0.12), (0.1, -0.03), (8, 2)):
        body.plate(body.ellipse(*(wrist + (x, y)), 0.03, 0.027), 0.5)
    for side in (-0.05, 0.06):
        body.bone([wrist + (side, 0.02), wrist + (side, 0.5)], 0.06, 0.8)
    return body.develop()


def make_foot(rng) -> np.ndarray:
    """Draw a foot from above: five rays and the tarsus."""
    body = Body(rng, 0.006)
    outline = [(0.32, 0.95), (0.3, 0.5), (0.25, 0.2), (0.4, 0.05), (0.62, 0.12)]
    body.soft([*outline, (0.72, 0.3), (0.66, 0.6), (0.62, 0.95)], 1.0, 0.12)
    for index, x in enumerate(np.linspace(0.33, 0.64, 5)):
        top = 0.09 + 0.035 * index
        joints = np.linspace(0.55, top, 4) - (0, 0.05, 0.02, 0)
        line = np.interp(joints, (top, 0.55), (x, 0.42 + 0.04 * index))
        width = 0.05 if index == 0 else 0.03
        for low in range(3):
            ends = np.stack([line, joints], 1)[low : low + 2]
            gap = 0.06 * (ends[1] - ends[0])
            body.bone([ends[0] + gap, ends[1] - gap], width, 0.8, smooth=False)
    for x, y in rng.uniform((0.38, 0.55), (0.58, 0.7), (6, 2)):
        body.plate(body.ellipse(x, y, 0.05, 0.045), 0.5)
    body.plate(body.ellipse(0.47, 0.82, 0.09, 0.13), 0.8)
    return body.develop()


def make_limb(rng) -> np.ndarray:
    """Draw a knee, or a forearm with the elbow."""
    body = Body(rng)
    wide = rng.uniform(0.28, 0.5)
    body.soft([(0.5, -0.2), (0.48, 0.5), (0.5, 1.2)], 1.0, 0.5 * wide, width=wide)
    two = rng.random() < 0.5  # a forearm: two slim bones
    upper = rng.uniform(0.09, 0.14)
    body.bone([(0.5, -0.2), (0.5, 0.42)], upper, 1.0)
    for side in (-1, 1):
        body.plate(body.ellipse(0.5 + 0.06 * side, 0.42, 0.075, 0.07), 0.7)
    if two:
        for side in (-0.055, 0.055):
            body.bone([(0.5 + side, 0.54), (0.5 + 1.3 * side, 1.2)], 0.07, 1.0)
    else:
        body.plate([(0.37, 0.52), (0.63, 0.52), (0.57, 0.66), (0.43, 0.66)], 0.7)
        body.bone([(0.5, 0.55), (0.5, 1.2)], 0.11, 1.0)
        body.bone([(0.62, 0.62), (0.63, 1.2)], 0.04, 0.7)
        body.plate(body.ellipse(0.5, 0.36, 0.06, 0.06), 0.4)
    return body.develop()


def make_pelvis(rng) -> np.ndarray:
    """Draw hips and pelvis with bowel gas."""
    body = Body(rng)
    trunk = [(0.1, -0.1), (0.08, 0.5), (0.05, 1.1), (0.95, 1.1), (0.92, 0.5)]
    body.soft([*trunk, (0.9, -0.1)], 1.0, 0.2)
    body.spine([(0.5, -0.1), (0.5, 0.35)], 0.1, 4)
    body.plate([(0.42, 0.3), (0.58, 0.3), (0.53, 0.52), (0.47, 0.52)], 0.5)
    for side in (-1, 1):

        def mirror(points, side=side):
            return np.array([(0.5 + side * x, y) for x, y in points])

        wing = [(0.08, 0.34), (0.16, 0.16), (0.3, 0.14), (0.36, 0.26), (0.28, 0.44)]
        body.plate(mirror([*wing, (0.14, 0.48)]), 0.5, 0.015)
        ring = body.ellipse(0.5 + side * 0.12, 0.64, 0.085, 0.075, side * 0.6)
        layer = body._paint(np.vstack([ring, ring[:1]]), width=0.045)
        body.shell(layer, 0.6, 0.01)
        body.plate(body.ellipse(0.5 + side * 0.27, 0.53, 0.065, 0.065), 0.7)
        body.bone(mirror([(0.29, 0.54), (0.36, 0.62), (0.35, 1.2)]), 0.09, 0.8)
    for x, y in rng.uniform((0.3, 0.0), (0.7, 0.5), (rng.integers(2, 6), 2)):
        body.soft(body.ellipse(x, y, 0.06, 0.05), -0.45, 0.05)
    return body.develop()


def make_skull(rng) -> np.ndarray:
    """Draw a skull from the front."""
    body = Body(rng)
    body.soft(body.ellipse(0.5, 0.42, 0.34, 0.42), 0.7, 0.25)
    body.soft([(0.5, 0.7), (0.5, 1.2)], 0.7, 0.15, width=0.3)
    body.plate(body.ellipse(0.5, 0.38, 0.31, 0.36), 0.9, 0.03)
    body.plate([(0.3, 0.6), (0.33, 0.84), (0.5, 0.9), (0.67, 0.84), (0.7, 0.6)], 0.5)
    for side in (-1, 1):
        body.soft(body.ellipse(0.5 + side * 0.13, 0.46, 0.075, 0.06), -0.35, 0.03)
        body.soft(body.ellipse(0.5 + side * 0.11, 0.6, 0.06, 0.06), -0.3, 0.03)
    body.soft(body.ellipse(0.5, 0.58, 0.04, 0.09), -0.35, 0.03)
    for x in np.linspace(0.4, 0.6, 7):
        body.bone([(x, 0.7), (x, 0.735)], 0.022, 0.5, smooth=False)
        body.bone([(x, 0.76), (x, 0.79)], 0.02, 0.5, smooth=False)
    body.spine([(0.5, 0.8), (0.5, 1.2)], 0.09, 6, 0.4)
    return body.develop()


def make_skull_side(rng) -> np.ndarray:
    """Draw a skull from the side."""
    body = Body(rng)
    body.soft(body.ellipse(0.52, 0.38, 0.42, 0.34), 0.7, 0.25)
    body.plate(body.ellipse(0.52, 0.37, 0.39, 0.31), 0.9, 0.02)
    body.soft([(0.7, 0.6), (0.72, 1.2)], 0.8, 0.15, width=0.32)
    body.soft(body.ellipse(0.28, 0.72, 0.16, 0.2), 0.6, 0.12)
    body.soft(body.ellipse(0.2, 0.52, 0.07, 0.06), -0.4, 0.03)
    body.soft(body.ellipse(0.24, 0.63, 0.08, 0.05), -0.4, 0.03)
    body.bone([(0.55, 0.62), (0.5, 0.85), (0.18, 0.9)], 0.06, 0.5)
    body.plate(body.ellipse(0.57, 0.55, 0.07, 0.05), 0.8)
    for x in np.linspace(0.16, 0.36, 7):
        body.bone([(x, 0.72), (x + 0.01, 0.8)], 0.024, 0.6, smooth=False)
    body.spine([(0.63, 0.65), (0.68, 0.9), (0.66, 1.2)], 0.1, 7, 0.5)
    return body.develop()


def make_lateral_chest(rng) -> np.ndarray:
    """Draw a chest from the side."""
    body = Body(rng)
    deep, low = rng.uniform(0.9, 1.1), rng.uniform(0.68, 0.8)
    trunk = [(0.15, 0.1), (0.08, 0.5), (0.1, 1.2), (0.95, 1.2), (0.95, 0.4)]
    body.soft([*trunk, (0.78, -0.1), (0.35, -0.2)], 1.0, 0.2)
    body.soft([(0.3, 0.12), (-0.1, -0.1)], 0.5, 0.1, width=0.25)  # arms raised
    lung = [(0.45, 0.08), (0.24, 0.3), (0.17, 0.55), (0.19, low - 0.06)]
    lung += [(0.4, low - 0.12 * deep), (0.65, low), (0.83, low + 0.1), (0.8, 0.5)]
    body.soft([*lung, (0.72, 0.2)], -0.62, 0.12)
    body.soft(body.ellipse(0.36, low - 0.14, 0.15, 0.15, 0.4), 0.4, 0.1)
    body.soft([(0.5, -0.1), (0.53, 0.2), (0.5, 0.35)], -0.2, 0.03, width=0.05)
    body.bone([(0.3, 0.14), (0.17, 0.35), (0.14, 0.62)], 0.035, 0.4)
    body.spine([(0.66, -0.1), (0.82, 0.35), (0.83, 0.7), (0.74, 1.2)], 0.09, 16, 0.45)
    for index, y in enumerate(np.linspace(0.08, 0.72, 10)):
        for shift in (0, 0.02):
            front = (0.2 + 0.004 * index, y + 0.18)
            line = [(0.8, y), (0.6, y + 0.05 + shift), (0.4, y + 0.13 + shift), front]
            body.bone(line, 0.018, 0.16)
    body.soft([(0.83, 0.1), (0.87, 0.3), (0.8, 0.42)], 0.25, 0.04, width=0.1)
    return body.develop()


def make_dog(rng) -> np.ndarray:
    """Draw a dog's thorax from the side."""
    body = Body(rng)
    trunk = [(-0.1, 0.25), (0.3, 0.15), (1.1, 0.18), (1.1, 0.8), (0.6, 0.92)]
    body.soft([*trunk, (0.25, 0.85), (-0.1, 0.6)], 1.0, 0.2)
    chest = rng.uniform(0.62, 0.75)  # where the diaphragm stands
    lung = [(0.2, 0.45), (0.4, 0.34), (chest + 0.15, 0.32), (chest, 0.55)]
    body.soft([*lung, (chest - 0.12, 0.8), (0.3, 0.76)], -0.62, 0.1)
    body.soft(body.ellipse(0.42, 0.64, 0.12, 0.14, 0.5), 0.45, 0.1)
    body.soft([(-0.1, 0.4), (0.2, 0.46), (0.4, 0.5)], -0.25, 0.03, width=0.05)
    body.spine([(-0.1, 0.36), (0.2, 0.26), (0.6, 0.25), (1.1, 0.27)], 0.07, 20, 0.5)
    for x in np.linspace(0.2, 0.85, 12):
        line = [(x, 0.27), (x + 0.02, 0.5), (x - 0.05, 0.7), (x - 0.1, 0.82)]
        body.bone(line, 0.017, 0.22)
    for x in np.linspace(0.15, 0.65, 7):
        body.bone([(x, 0.86), (x + 0.06, 0.87)], 0.03, 0.35, smooth=False)
    body.bone([(0.25, 0.25), (0.12, 0.6), (0.2, 0.75)], 0.06, 0.5)
    body.bone([(0.12, 0.6), (0.05, 1.1)], 0.07, 0.6)
    return body.develop()


def make_abdomen(rng) -> np.ndarray:
    """Draw an abdomen with the tips of ribs, gas and iliac wings."""
    body = Body(rng)
    trunk = [(0.1, -0.2), (0.06, 0.5), (0.12, 1.2), (0.88, 1.2), (0.94, 0.5)]
    body.soft([*trunk, (0.9, -0.2)], 1.0, 0.22)
    body.spine([(0.5, -0.1), (0.5, 0.85)], 0.1, 8)
    for side in (-1, 1):
        wing = [(0.07, 0.86), (0.18, 0.76), (0.32, 0.78), (0.36, 0.95), (0.2, 1.1)]
        body.plate([(0.5 + side * x, y) for x, y in wing], 0.5, 0.015)
        for y in (-0.08, 0.0, 0.08):
            line = [(0.06, y), (0.22, y + 0.02), (0.34, y + 0.14)]
            body.bone([(0.5 + side * x, y) for x, y in line], 0.028, 0.25)
    body.soft(body.ellipse(0.3, 0.1, 0.25, 0.16), 0.25, 0.1)  # liver
    for x, y in rng.uniform((0.2, 0.15), (0.8, 0.8), (rng.integers(6, 16), 2)):
        wide, tall = rng.uniform(0.04, 0.1), rng.uniform(0.03, 0.06)
        body.soft(body.ellipse(x, y, wide, tall, rng.uniform(0, 3)), -0.45, 0.04)
    return body.develop()


def make_neck_side(rng) -> np.ndarray:
    """Draw a spine from the side, of neck or back."""
    body = Body(rng)
    body.soft([(0.5, -0.2), (0.5, 1.2)], 1.0, 0.3, width=rng.uniform(0.5, 0.9))
    bow = rng.normal(0, 0.08)
    middle = [(0.55, -0.1), (0.55 + bow, 0.3), (0.55 - bow, 0.7), (0.55, 1.1)]
    body.spine(middle, 0.14, int(rng.integers(7, 11)), 0.5)
    for y in np.linspace(0, 1, 8):
        body.bone([(0.66, y), (0.78, y + 0.06)], 0.03, 0.35, smooth=False)
    body.soft([(0.36, -0.1), (0.36, 1.1)], -0.25, 0.04, width=0.07)
    return body.develop()


def make_teeth(rng) -> np.ndarray:
    """Draw a row of teeth as on a panoramic film."""
    body = Body(rng, 0.004)
    body.soft([(-0.1, 0.2), (1.1, 0.2), (1.1, 0.85), (-0.1, 0.85)], 0.8, 0.1)
    body.bone([(-0.05, 0.3), (0.1, 0.75), (0.5, 0.85), (0.9, 0.75), (1.05, 0.3)], 0.14)
    for x in np.linspace(0.16, 0.84, 15):
        bend = 0.35 * (x - 0.5) ** 2
        for y, long in ((0.4, -0.15), (0.56, 0.15)):
            body.bone([(x, y - bend), (x, y - bend + long)], 0.038, 0.7, smooth=False)
    return body.develop()


def make_ct_slice(rng) -> np.ndarray:
    """Draw an axial slice of a chest or a head."""
    body = Body(rng)
    if rng.random() < 0.5:
        body.soft(body.ellipse(0.5, 0.5, 0.45, 0.32), 0.5, 0.01)
        for side in (-1, 1):
            lung = body.ellipse(0.5 + side * 0.22, 0.48, 0.15, 0.23, side * 0.2)
            body.soft(lung, -0.45, 0.01)
        body.soft(body.ellipse(0.54, 0.42, 0.13, 0.12), 0.08, 0.02)
        body.plate(body.ellipse(0.5, 0.7, 0.05, 0.05), 0.5)
        for angle in np.linspace(0, 6, 12):
            at = 0.5 + 0.4 * np.cos(angle), 0.5 + 0.28 * np.sin(angle)
            body.plate(body.ellipse(*at, 0.04, 0.014, angle + 1.6), 0.5)
    else:
        body.plate(body.ellipse(0.5, 0.5, 0.34, 0.42), 1.0, 0.025)
        for side in (-1, 1):
            at = 0.5 + side * 0.05, 0.48
            body.soft(body.ellipse(*at, 0.03, 0.1, -side * 0.3), -0.15, 0.02)
    return body.develop()


def make_ultrasound(rng) -> np.ndarray:
    """Draw a sector of speckle."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    away = np.hypot(columns - 0.5, rows + 0.1)
    inside = (np.abs(np.arctan2(columns - 0.5, rows + 0.1)) < 0.65) & (away < 1.05)
    tissue = 0.4 + 0.2 * _coloured(rng, (SIDE, SIDE), 1.3)
    speckle = cv2.GaussianBlur(rng.rayleigh(0.5, (SIDE, SIDE)), (0, 0), 1.0)
    return (inside & (away > 0.15)) * np.clip(tissue * speckle * 1.6, 0, 1)


# ------------------------------------------------------------- no body at all


def make_blank(rng) -> np.ndarray:
    """Draw black, white or one grey, some with a little grain or a ramp."""
    film = np.full((SIDE, SIDE), rng.choice([0, 1, rng.uniform()]), "float32")
    if rng.random() < 0.5:
        film += rng.uniform(0.002, 0.02) * rng.standard_normal(film.shape)
    if rng.random() < 0.4:
        film += rng.normal(0, 0.5) * np.linspace(-1, 1, SIDE)
    return film


def make_noise(rng) -> np.ndarray:
    """Draw white noise, or noise that falls with frequency."""
    slope = rng.choice([0, rng.uniform(0.3, 2.0)])
    return 0.5 + rng.uniform(0.1, 0.25) * _coloured(rng, (SIDE, SIDE), slope)


def make_text_page(rng) -> np.ndarray:
    """Draw a page of lines of words, dark on bright or the reverse."""
    page = Image.new("L", (300, 400), 255)
    pen = ImageDraw.Draw(page)
    size = int(rng.integers(9, 16))
    for y in range(20, 380, int(1.5 * size)):
        words = ["".join(rng.choice(list("abcdefghilmnorst"), k)) for k in (5, 3, 8)]
        line = " ".join(words * 3)[: int(rng.integers(12, 40))]
        pen.text((20, y), line, fill=int(rng.integers(0, 90)), font_size=size)
    film = np.asarray(page) / 255
    return 1 - film if rng.random() < 0.5 else film


def make_photograph(rng) -> np.ndarray:
    """Draw what has the statistics of a photograph: shaded things before things."""
    film = np.linspace(*rng.uniform(0.2, 0.9, 2), SIDE)[:, None].repeat(SIDE, 1)
    film = film.astype("float32")
    for _ in range(int(rng.integers(15, 120))):
        radius = min(0.02 * (1 - rng.random()) ** -0.6, 0.4)
        layer, at = np.zeros((SIDE, SIDE), "uint8"), rng.uniform(0, SIDE, 2)
        if rng.random() < 0.5:
            box = (tuple(at), tuple(rng.uniform(0.5, 1.8, 2) * radius * SIDE), 0)
            corners = cv2.boxPoints((box[0], box[1], rng.uniform(0, 90)))
            cv2.fillPoly(layer, [corners.astype("int32")], 1)
        else:
            cv2.circle(layer, tuple(at.astype(int)), int(radius * SIDE), 1, -1)
        texture = rng.uniform(0.01, 0.1) * _coloured(rng, film.shape, 1.0)
        shade = rng.normal(0, 0.15) * np.linspace(-1, 1, SIDE)
        film = np.where(layer > 0, rng.uniform(0, 1) + texture + shade, film)
    return cv2.GaussianBlur(film.astype("float32"), (0, 0), rng.uniform(0.5, 1.2))


def make_pattern(rng) -> np.ndarray:
    """Draw a checkerboard or stripes."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    size = int(rng.integers(3, 70))
    board = (rows // size + columns // size) % 2
    stripes = (rows // size) % 2
    return np.where(rng.random() < 0.6, board, stripes) * rng.uniform(0.5, 1)


# ---------------------------------------------------------- spoiled chest films


def spoil_shuffled(rng, film) -> np.ndarray:
    """Cut the film into blocks and shuffle them."""
    count = int(rng.integers(3, 7))
    high, wide = film.shape[0] // count, film.shape[1] // count
    film = film[: high * count, : wide * count]
    blocks = film.reshape(count, high, count, wide).swapaxes(1, 2)
    blocks = rng.permutation(blocks.reshape(-1, high, wide))
    return blocks.reshape(count, count, high, wide).swapaxes(1, 2).reshape(film.shape)


def spoil_half(rng, film) -> np.ndarray:
    """Keep the left or the right half."""
    middle = film.shape[1] // 2
    return film[:, :middle] if rng.random() < 0.5 else film[:, middle:]


def spoil_one_lung(rng, film) -> np.ndarray:
    """Crop to a part of one lung."""
    size = [int(side * rng.uniform(0.28, 0.4)) for side in film.shape]
    top = int(film.shape[0] * rng.uniform(0.2, 0.35))
    left = int(film.shape[1] * rng.choice([0.12, 0.55]))
    return film[top : top + size[0], left : left + size[1]]


def spoil_truncated(rng, film) -> np.ndarray:
    """Lose the rows from somewhere in the lungs on: grey, black or white."""
    film = film.copy()
    film[int(len(film) * rng.uniform(0.3, 0.6)) :] = rng.choice([0, 0.5, 1])
    return film


def spoil_bands(rng, film) -> np.ndarray:
    """Repeat one band of rows over the film."""
    high = int(len(film) * rng.uniform(0.08, 0.25))
    top = int(rng.uniform(0.2, 0.6) * len(film))
    return np.tile(film[top : top + high], (-(-len(film) // high), 1))[: len(film)]


def spoil_bytes(rng, film) -> np.ndarray:
    """Swap the two bytes of every pixel of 12 to 16 bits."""
    bits = int(rng.integers(12, 17))
    swapped = np.round(film * (2**bits - 1)).astype("uint16").byteswap()
    return swapped / np.float32(swapped.max() or 1)


def spoil_stride(rng, film) -> np.ndarray:
    """Read the rows with a wrong length."""
    wrong = int(film.shape[1] * rng.choice([0.62, 0.75, 0.9, 1.12, 1.3, 1.5]))
    return np.resize(film.ravel(), (film.size // wrong, wrong))


def spoil_clipped(rng, film) -> np.ndarray:
    """Clip to black and white."""
    level = np.quantile(film, rng.uniform(0.3, 0.7))
    return (film > level).astype("float32")


def spoil_blur(rng, film) -> np.ndarray:
    """Blur until no rib is left."""
    return cv2.GaussianBlur(film, (0, 0), rng.uniform(0.04, 0.1) * max(film.shape))


def spoil_tiny(rng, film) -> np.ndarray:
    """Shrink to 8 or 16 pixels."""
    side = int(rng.choice([8, 12, 16]))
    return cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)


def spoil_montage(rng, film) -> np.ndarray:
    """Put the film and others side by side on one picture."""
    others = [make_chest(rng) for _ in range(3)]
    films = [cv2.resize(one, (200, 200)) for one in (film, *others)]
    return np.vstack([np.hstack(films[:2]), np.hstack(films[2:])])


DRAWN = {
    name.removeprefix("make_").replace("_", " "): function
    for name, function in list(globals().items())
    if name.startswith("make_") and name != "make_chest"
}
SPOILED = {
    name.removeprefix("spoil_").replace("_", " "): function
    for name, function in list(globals().items())
    if name.startswith("spoil_")
}
KINDS = (*DRAWN, *SPOILED)


def make_wrong(kind: str, seed: int, film: np.ndarray | None = None) -> np.ndarray:
    """Make one wrong picture, `(H, W)` float32 in `[0, 1]`.

    Args:
        kind: one of `KINDS`.
        seed: int.
        film: chest film that a kind of `SPOILED` spoils, default a phantom.
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    if kind in DRAWN:
        made = DRAWN[kind](rng)
    else:
        made = SPOILED[kind](rng, make_chest(rng) if film is None else film)
    return np.ascontiguousarray(np.clip(made, 0, 1), "float32")


def list_films(prepared: Path, half: str = "all") -> list[Path]:
    """List the films of a prepared folder, of all patients or of one half of them."""
    table = prepare.load_manifest(prepared)
    halves = [HALVES[1 + zlib.crc32(one.encode()) % 2] for one in table["patient_id"]]
    kept = [half in ("all", one) for one in halves]
    return [prepared / image for image in table.loc[kept, "image"]]


def format_proportion(hits) -> str:
    """Format a proportion with its counts and Wilson's 95 % interval."""
    hits = np.asarray(hits, bool)
    if not len(hits):
        return "none"
    count = int(hits.sum())
    found = stats.binomtest(count, len(hits)).proportion_ci(method="wilson")
    rate = f"{count} of {len(hits)}, {count / len(hits):.3f}"
    return f"{rate} ({found.low:.3f} to {found.high:.3f})"


def draw_sheet(pictures: dict[str, np.ndarray], columns: int = 8, side: int = 180):
    """Lay pictures on one sheet with their names, uint8."""
    tiles = []
    for name, picture in pictures.items():
        scale = side / max(picture.shape)
        size = [max(1, round(edge * scale)) for edge in picture.shape[::-1]]
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        tile = np.full((side + 16, side + 4), 90, "uint8")
        tile[16 : 16 + size[1], : size[0]] = np.round(255 * np.clip(small, 0, 1))
        cv2.putText(tile, name[:28], (2, 12), 0, 0.4, 255, 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [tiles[at : at + columns] for at in range(0, len(tiles), columns)]
    return np.vstack([np.hstack(row) for row in rows])


if __name__ == "__main__":
    made = {f"{k} {s}": make_wrong(k, s) for k in KINDS for s in (0, 1)}
    cv2.imwrite(sys.argv[1], draw_sheet(made))
