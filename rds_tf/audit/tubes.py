"""The endotracheal tube on a film: cut out, moved aside, drawn in.

Each change comes with its control: the same shape elsewhere, so that what a model makes
of the tube can be told from what it makes of any patch or line.
"""

import cv2
import numpy as np

from rds_tf.lungs import cropping, postprocess


def remove(image: np.ndarray, region: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cut a region out of a film and fill it from its surroundings.

    The fill is that of Telea (J. Graphics Tools 2004) with grain of the film's own
    strength on it, so that no smooth patch gives the place away.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        region: `(H, W)` of {0, 1}.
        seed: int, of the grain.

    Returns:
        float32 `(H, W)`, the film itself outside the widened region.
    """
    if not region.any():
        return image.copy()
    reach = max(1, round(min(image.shape) / 170))
    wide = widen(region, reach)
    fine = np.round(65535 * np.clip(image, 0, 1)).astype("uint16")
    filled = cv2.inpaint(fine, wide, 3 * reach, cv2.INPAINT_TELEA) / 65535
    ring = (widen(region, 6 * reach) > 0) & (wide == 0)
    grain = (image - cv2.GaussianBlur(image, (0, 0), 1.5))[ring]
    if grain.size:
        draw = np.random.default_rng(seed)
        filled = filled + np.where(wide > 0, draw.choice(grain, image.shape), 0)
    return np.clip(np.where(wide > 0, filled, image), 0, 1).astype("float32")


def widen(region: np.ndarray, reach_px: int) -> np.ndarray:
    """Widen a region `(H, W)` of {0, 1} by `reach_px` pixels on every side."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach_px + 1,) * 2)
    return cv2.dilate(region.astype("uint8"), disc)


def move_aside(
    region: np.ndarray, mask: np.ndarray, num_controls: int = 3
) -> list[np.ndarray]:
    """Move a region to places nearby that it did not touch, as controls.

    Args:
        region: `(H, W)` of {0, 1}.
        mask: the lungs, `(H, W)` of {0, 1}.
        num_controls: int, how many at most.

    Returns:
        uint8 `(H, W)` regions of the same shape, inside the film and next to each
        other as far apart as they are wide. Those come first that cover as much lung
        as the region does, and among them the nearest. None fits in a film that the
        region fills.
    """
    rows, columns = np.nonzero(region)
    height, width = region.shape
    lung = float(mask[rows, columns].mean())
    step = max(2, round(min(region.shape) / 60))
    taken = widen(region, step) > 0
    found = []
    for down in range(-rows.min(), height - rows.max(), step):
        for right in range(-columns.min(), width - columns.max(), step):
            there = rows + down, columns + right
            if not taken[there].any():
                apart = abs(float(mask[there].mean()) - lung)
                found.append((round(apart, 1), np.hypot(down, right), down, right))
    controls = []
    for _, _, down, right in sorted(found):
        there = rows + down, columns + right
        if taken[there].any():
            continue
        control = np.zeros(region.shape, "uint8")
        control[there] = 1
        taken |= widen(control, step) > 0
        controls.append(control)
        if len(controls) == num_controls:
            break
    return controls


def insert(
    image: np.ndarray, mask: np.ndarray, seed: int = 0, *, aside: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a synthetic endotracheal tube into a film.

    From the neck down the midline between the lungs to a tip above the carina: a
    shadow with a dark lumen and a radiopaque stripe, as `phantoms.devices` draws it.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        mask: its lungs, `(H, W)` of {0, 1}.
        seed: int, draws its width, contrast and bend.
        aside: bool, draw it over a lung instead, where no airway is: the control.

    Returns:
        The film with the tube, `(H, W)` float32, and the tube's region.
    """
    draw = np.random.default_rng(seed)
    window = cropping.choose_crop(image, mask, "combined", 0.0)
    angle = window.angle_degrees
    upright = postprocess.rotate(mask.astype("float32"), -angle, expand=True) > 0.5
    top, bottom, left, right = window.box
    tall, wide = bottom - top, right - left
    middle = _find_midline(upright, window.box)
    if aside:
        middle += draw.choice([-1, 1]) * 0.27 * wide
    rows = np.linspace(top - tall, top + draw.uniform(0.18, 0.36) * tall, 60)
    bend = draw.normal(0, 0.025) * wide * ((rows - rows[-1]) / tall) ** 2 * 3
    points = np.stack([middle + bend + draw.normal(0, 0.008) * wide, rows], -1)
    thick = max(2.0, draw.uniform(0.026, 0.036) * wide)
    shadow, region = _draw_tube(points, thick, upright.shape)
    back = [
        postprocess.rotate_back(layer, -angle, image.shape)
        for layer in (shadow, region.astype("float32"))
    ]
    low, high = np.percentile(image, (5, 95))
    contrast = draw.uniform(0.25, 0.4) * max(high - low, 0.1)
    # A dense place leaves less room for more density, as on film.
    drawn = image + contrast * back[0] * np.clip(1.3 - image, 0.2, 1)
    return np.clip(drawn, 0, 1).astype("float32"), (back[1] > 0.5).astype("uint8")


def _find_midline(upright: np.ndarray, box) -> float:
    """Return the column halfway between the lungs in the upper half of their box."""
    top, bottom, left, right = box
    upper = upright[top : (top + bottom) // 2, left:right]
    columns = np.arange(upper.shape[1])
    centre = upper.shape[1] / 2
    inner = []
    for row in upper:
        near, far = columns[row & (columns < centre)], columns[row & (columns > centre)]
        if len(near) and len(far):
            inner.append((near.max() + far.min()) / 2)
    return left + (float(np.median(inner)) if inner else centre)


def _draw_tube(
    points: np.ndarray, thick: float, shape
) -> tuple[np.ndarray, np.ndarray]:
    """Paint wall, lumen and stripe along points (x, y): shadow and region."""
    fixed = [np.rint(points * 16).astype("int32")]
    layers = []
    for share in (1.0, 0.6, 0.2):
        canvas = np.zeros(shape, "uint8")
        width = max(1, round(share * thick))
        cv2.polylines(canvas, fixed, False, 255, width, cv2.LINE_AA, 4)
        layers.append(canvas.astype("float32") / 255)
    wall, lumen, stripe = layers
    shadow = wall - 0.6 * lumen + 0.9 * stripe
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.5, 0.08 * thick))
    return shadow, (wall > 0.5).astype("uint8")
