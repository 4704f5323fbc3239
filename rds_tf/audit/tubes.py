"""The endotracheal tube: `remove` it, `insert` one, and the control of each.

A control is the same change elsewhere: `move_aside` finds other places for the region
that is removed, and `insert(aside=True)` draws over a lung. So an effect of the tube
can be told from that of any patch or line.
"""

import cv2
import numpy as np

from rds_tf.lungs import cropping, rotation

MAX_CONTROLS = 3  # of one tube that is removed


def remove(image: np.ndarray, region: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cut a region out of an image and fill it from its surroundings.

    The fill is that of Telea (J. Graphics Tools 2004) with the image's own grain on
    it, so that no smooth patch gives the place away.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        region: `(H, W)` of {0, 1}; the image stays outside it, a little widened.
        seed: int, of the grain.
    """
    if not region.any():
        return image.copy()
    reach = max(1, round(min(image.shape) / 170))
    wide = widen(region, reach)
    # OpenCV inpaints whole numbers only: 16 bits lose nothing that can be seen.
    fine = np.round(65535 * np.clip(image, 0, 1)).astype("uint16")
    filled = cv2.inpaint(fine, wide, 3 * reach, cv2.INPAINT_TELEA) / 65535
    # Grain is what a light blur takes away; it is drawn again from a ring around.
    ring = (widen(region, 6 * reach) > 0) & (wide == 0)
    grain = (image - cv2.GaussianBlur(image, (0, 0), 1.5))[ring]
    if grain.size:
        draw = np.random.default_rng(seed)
        filled = filled + np.where(wide > 0, draw.choice(grain, image.shape), 0)
    return np.clip(np.where(wide > 0, filled, image), 0, 1).astype("float32")


def insert(
    image: np.ndarray, mask: np.ndarray, seed: int = 0, *, aside: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a synthetic endotracheal tube into an image.

    It runs down the midline from the neck to a tip above the carina: a thin wall around
    a dark lumen, and a radiopaque stripe in the wall, of the proportions of
    `rds_phantoms.devices`; in contrast to the film, since its attenuation is unknown.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        mask: its lungs, `(H, W)` of {0, 1}.
        seed: int, draws its width, contrast, bend and the side of its stripe.
        aside: bool, draw it over a lung instead, where no airway is: the control.

    Returns:
        The image with the tube, `(H, W)` float32, and the tube's region, uint8.
    """
    draw = np.random.default_rng(seed)
    crop = cropping.choose_crop(image, mask, "combined", 0.0)
    angle = crop.angle_degrees
    upright = rotation.rotate(mask.astype("float32"), -angle, expand=True) > 0.5
    points, thick = _lay_tube(draw, upright, crop.box, aside=aside)
    low, high = np.percentile(image, (5, 95))
    contrast = draw.uniform(0.25, 0.4) * max(high - low, 0.1)
    turn = draw.uniform(0, 2 * np.pi)  # of the stripe around the tube
    shadow, region = (  # drawn on the upright canvas, then turned with the infant
        rotation.rotate_back(layer, -angle, image.shape)
        for layer in _draw_tube(points, thick, upright.shape, np.cos(turn))
    )
    # A dense place leaves less room for more density, as on film.
    drawn = image + contrast * shadow * np.clip(1.3 - image, 0.2, 1)
    return np.clip(drawn, 0, 1).astype("float32"), (region > 0.5).astype("uint8")


def _lay_tube(draw, upright: np.ndarray, box, *, aside: bool):
    """Draw the course of a tube: points `(60, 2)` of x and y, and its width in px."""
    top, bottom, left, right = box
    tall, wide = bottom - top, right - left
    middle = _find_midline(upright, box)
    if aside:
        middle += draw.choice([-1, 1]) * 0.27 * wide
    # From one height of the lungs above them to a tip in their upper third.
    rows = np.linspace(top - tall, top + draw.uniform(0.18, 0.36) * tall, 60)
    bend = draw.normal(0, 0.025) * wide * ((rows - rows[-1]) / tall) ** 2 * 3
    points = np.stack([middle + bend + draw.normal(0, 0.008) * wide, rows], -1)
    return points, max(2.0, draw.uniform(0.026, 0.036) * wide)


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
    points: np.ndarray, thick: float, shape, side: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Paint wall, lumen and stripe along points (x, y): shadow and region, float32.

    `side` from -1 to 1 moves the stripe from one wall to the other.
    """
    layers = []
    for proportion, across in ((1.0, 0.0), (0.74, 0.0), (0.16, 0.42 * side)):
        canvas = np.zeros(shape, "uint8")
        width = max(1, round(proportion * thick))
        moved = points + [across * thick, 0.0]  # it runs from the head to the feet
        fixed = [np.rint(moved * 16).astype("int32")]  # 16ths of a pixel
        cv2.polylines(canvas, fixed, False, 255, width, cv2.LINE_AA, 4)
        layers.append(canvas.astype("float32") / 255)
    wall, lumen, stripe = layers
    # Paths in a wall of 0.26 radii: half as long through the lumen as beside it.
    shadow = wall - 0.5 * lumen + 1.2 * stripe
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.5, 0.08 * thick))
    return shadow, (wall > 0.5).astype("float32")


def move_aside(region: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
    """Move a region to places nearby that it did not touch, as controls.

    Region and mask, the lungs, are `(H, W)` of {0, 1}.

    Returns:
        At most `MAX_CONTROLS` uint8 `(H, W)` regions of the same shape, inside the
        image and a margin apart from the region and from each other. First come those
        that cover as much lung as the region does, and among them the nearest.
    """
    rows, columns = np.nonzero(region)
    height, width = region.shape
    lung = float(mask[rows, columns].mean())
    step = max(2, round(min(region.shape) / 60))
    taken = widen(region, step) > 0
    places = []
    for down in range(-rows.min(), height - rows.max(), step):
        for right in range(-columns.min(), width - columns.max(), step):
            there = rows + down, columns + right
            if not taken[there].any():
                apart = abs(float(mask[there].mean()) - lung)
                places.append((round(apart, 1), np.hypot(down, right), down, right))
    controls = []
    for _, _, down, right in sorted(places):
        there = rows + down, columns + right
        if len(controls) < MAX_CONTROLS and not taken[there].any():
            control = np.zeros(region.shape, "uint8")
            control[there] = 1
            taken |= widen(control, step) > 0
            controls.append(control)
    return controls


def widen(region: np.ndarray, reach_px: int) -> np.ndarray:
    """Widen a region `(H, W)` of {0, 1} by `reach_px` pixels on every side."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach_px + 1,) * 2)
    return cv2.dilate(region.astype("uint8"), disc)
