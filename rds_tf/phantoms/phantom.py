"""Synthetic chest radiographs with known truth: lungs, devices, severity, angle.

Curves from `anatomy` and `devices` are turned into a map of attenuation, scattered,
exposed like a film and framed like one. No phantom shows a real patient, and results
on phantoms prove code, not medicine.
"""

from dataclasses import dataclass

import numpy as np

from rds_tf.data import annotation
from rds_tf.phantoms import anatomy, devices, film

RDS_SEVERITY = 0.35  # at or above it a phantom counts as RDS


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph and its truth.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`, bone bright.
        polygons: lung outlines in pixels, closed, `(N, 2)` as x and y.
        mask: `(H, W)` uint8 of {0, 1}, the lungs.
        device_masks: name of a device to its `(H, W)` uint8 mask.
        severity: float in `[0, 1]`; RDS from `RDS_SEVERITY` on.
        angle_degrees: float, counter-clockwise turn of the infant in the picture.
    """

    image: np.ndarray
    polygons: list[np.ndarray]
    mask: np.ndarray
    device_masks: dict[str, np.ndarray]
    severity: float
    angle_degrees: float


def make_phantom(
    seed: int,
    shape: tuple[int, int] = (256, 256),
    severity: float = 0.0,
    angle_degrees: float = 0.0,
    device_names: tuple[str, ...] = (),
    age: float = 0.0,
) -> Phantom:
    """Make one phantom; the same arguments give the same pixels.

    Args:
        seed: int, draws everything that the other arguments leave open.
        shape: (H, W) in pixels.
        severity: float in `[0, 1]`: ground glass, air bronchogram, low volume.
        angle_degrees: float, counter-clockwise turn of the infant.
        device_names: names out of `devices.DEVICES`.
        age: float, 0 newborn, 0.5 school age, 1 adult proportions.

    Returns:
        A `Phantom`.

    Raises:
        ValueError: if `severity` or `age` lies outside `[0, 1]`.
    """
    for name, value in (("severity", severity), ("age", age)):
        if not 0 <= value <= 1:
            raise ValueError(f"`{name}` must lie in [0, 1]. Received: {value}")
    rng = np.random.default_rng(seed)
    chest = anatomy.make_anatomy(rng, age, volume=1 - 0.22 * severity)
    placed = [
        # Each from a generator of its own: with or without it, all else is equal.
        devices.make_device(name, np.random.default_rng([seed, *name.encode()]), chest)
        for name in device_names
    ]
    view = _frame(rng, chest, shape, angle_degrees, age)
    attenuation = film.attenuation(rng, chest, view, severity, age)
    device_masks = {}
    for device in placed:
        shadow, device_masks[device.name] = film.shadow(device, view)
        attenuation += shadow
    image = film.finish(rng, film.expose(rng, attenuation, view), view)
    polygons = [view.to_px(lung) + 0.5 for lung in chest.lungs]  # from pixel corners
    polygons = [np.clip(polygon, 0, shape[::-1]) for polygon in polygons]
    mask = annotation.draw_mask(polygons, *shape)
    return Phantom(image, polygons, mask, device_masks, severity, angle_degrees)


def make_training_phantom(seed: int, image_size: int = 256) -> Phantom:
    """Make a square phantom with every dial drawn, for training a segmenter.

    Domain randomisation as in SynthSeg (Billot et al., Med. Image Anal. 2023): any
    age, any severity, any set of devices, any angle in half of the cases.
    """
    rng = np.random.default_rng([seed, 1])
    angle = rng.normal(0, 8) if rng.random() < 0.5 else rng.uniform(-180, 180)
    chosen = tuple(name for name in devices.DEVICES if rng.random() < 0.3)
    severity = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    ratio = 2 ** rng.uniform(-0.25, 0.75)  # width to height of the film
    shape = (image_size, image_size)
    inner = (int(image_size / max(ratio, 1)), int(image_size * min(ratio, 1)))
    made = make_phantom(seed, inner, severity, angle, chosen, rng.uniform(0, 1) ** 1.3)
    return _pad(made, shape)


def _pad(made: Phantom, shape: tuple[int, int]) -> Phantom:
    """Centre a phantom on a black canvas of `shape`."""
    top = (shape[0] - made.image.shape[0]) // 2
    left = (shape[1] - made.image.shape[1]) // 2
    window = (
        slice(top, top + made.image.shape[0]),
        slice(left, left + made.image.shape[1]),
    )

    def place(array):
        canvas = np.zeros(shape, array.dtype)
        canvas[window] = array
        return canvas

    return Phantom(
        place(made.image),
        [polygon + (left, top) for polygon in made.polygons],
        place(made.mask),
        {name: place(mask) for name, mask in made.device_masks.items()},
        made.severity,
        made.angle_degrees,
    )


def _frame(rng, chest, shape, angle_degrees: float, age: float) -> film.View:
    """Choose magnification and position so that the lungs stay in the picture."""
    turn = np.deg2rad(-angle_degrees)  # y points down
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lungs = np.vstack(chest.lungs) @ rotation.T
    low, high = lungs.min(0), lungs.max(0)
    room = np.array(shape[::-1], "float64")
    largest = (room / (high - low)).min()
    unit = largest * rng.uniform(np.interp(age, [0, 1], [0.62, 0.78]), 0.99)
    free = room - unit * (high - low)
    corner = free * np.clip(rng.normal(0.5, 0.22, 2), 0.03, 0.97)
    return film.View(unit * rotation, corner - unit * low, shape)
