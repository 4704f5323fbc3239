"""Synthetic chest radiographs with known truth: lungs, devices, severity, angle.

Curves from `anatomy` and `devices` become a map of attenuation, which is scattered,
exposed and collimated like a radiograph. No phantom shows a real patient, and results
on phantoms prove code, not medicine.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rds_phantoms import anatomy, devices, drawing, exposure, outline, tissue, workers

RDS_SEVERITY = 0.35  # at or above it a phantom counts as RDS
GROUP = 50  # phantoms that a worker draws at a time


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph and its truth.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`, bone bright.
        polygons: lung outlines in px, closed, `(N, 2)` as x and y; a tilted beam
            cuts the mask closer than them.
        mask: `(H, W)` uint8 of {0, 1}, the lungs, the part behind the heart included.
        heart: `(H, W)` uint8 of {0, 1}, heart and great vessels.
        device_masks: name of a device to its `(H, W)` uint8 mask.
        severity: float in `[0, 1]`; RDS from `RDS_SEVERITY` on.
        angle_degrees: float, counter-clockwise turn of the infant in the image.
    """

    image: np.ndarray
    polygons: list[np.ndarray]
    mask: np.ndarray
    heart: np.ndarray
    device_masks: dict[str, np.ndarray]
    severity: float
    angle_degrees: float

    @property
    def mask_without_heart(self) -> np.ndarray:
        """The lungs that no heart covers, `(H, W)` uint8 of {0, 1}."""
        return self.mask * (1 - self.heart)

    def outline_without_heart(self) -> list[np.ndarray]:
        """Return closed outlines of `mask_without_heart`, along pixel edges."""
        scale = 4  # OpenCV's contour runs through pixel centres: fine pixels, fine edge
        large = np.kron(self.mask_without_heart, np.ones((scale, scale), np.uint8))
        method = cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        contours, _ = cv2.findContours(large, *method)
        polygons = [(contour[:, 0] + 0.5) / scale for contour in contours]
        return [one for one in polygons if outline.polygon_area([one]) >= 4]


def make_phantom(
    seed: int,
    shape: tuple[int, int] = (256, 256),
    severity: float = 0.0,
    angle_degrees: float = 0.0,
    device_names: tuple[str, ...] = (),
    age: float = 0.0,
    *,
    randomised: bool = False,
) -> Phantom:
    """Make one phantom; the same arguments give the same pixels.

    Args:
        seed: int, of all that the other arguments do not fix.
        shape: height and width in pixels.
        severity: float in `[0, 1]`: ground glass, air bronchogram, low volume.
        angle_degrees: float, counter-clockwise turn of the infant.
        device_names: names out of `devices.DEVICES`.
        age: float, 0 newborn, 0.5 school age, 1 adult proportions.
        randomised: bool, domain randomisation for training: lungs cut by the edge,
            failed exposure, grid lines, inversion, text, contrasts beyond reality.

    Raises:
        ValueError: `severity` or `age` lies outside `[0, 1]`, or a device is unknown.
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
    view = _place_chest(rng, chest, shape, angle_degrees, age, randomised=randomised)
    contrast = tissue.draw_contrast(rng, randomised=randomised)
    attenuation = tissue.draw_attenuation(rng, chest, view, severity, age, contrast)
    device_masks = {}
    for device in placed:
        shadow, device_masks[device.name] = tissue.draw_device(device, view)
        attenuation += shadow
    image = exposure.expose(rng, attenuation, view, randomised=randomised)
    beam = exposure.collimate(rng, shape, randomised=randomised)
    exposed = exposure.draw_beam(beam, shape)
    # Outlines count from the corner of the image, drawing from the centre of its pixel.
    low, high = np.maximum(beam.min(0), 0), np.minimum(beam.max(0), shape[::-1])
    polygons = [np.clip(view.to_px(lung) + 0.5, low, high) for lung in chest.lungs]
    heart = np.clip(view.to_px(chest.heart) + 0.5, low, high)
    return Phantom(
        image=exposure.crop_and_label(rng, image, beam, randomised=randomised),
        polygons=polygons,
        mask=outline.draw_mask(polygons, *shape) * exposed,
        heart=outline.draw_mask([heart], *shape) * exposed,
        device_masks={name: mask * exposed for name, mask in device_masks.items()},
        severity=severity,
        angle_degrees=angle_degrees,
    )


def _place_chest(
    rng, chest, shape, angle_degrees: float, age: float, *, randomised: bool
) -> drawing.View:
    """Choose magnification and position so that the lungs stay in the image.

    In a randomised one they may be cut by its edge, or small in a large image.
    """
    turn = np.deg2rad(-angle_degrees)  # y points down
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lungs = np.vstack(chest.lungs) @ rotation.T
    low, high = lungs.min(0), lungs.max(0)
    room = np.array(shape[::-1], "float64")
    largest = (room / (high - low)).min()
    least, most, inside = np.interp(age, [0, 1], [0.62, 0.78]), 0.99, (0.03, 0.97)
    if randomised:
        kind = rng.choice(3, p=[0.75, 0.15, 0.10])  # as usual, small, too large
        least, most = [(0.6, 1.0), (0.35, 0.6), (1.0, 1.1)][kind]
        inside = (-0.1, 1.1)
    unit = largest * rng.uniform(least, most)
    free = room - unit * (high - low)
    corner = free * np.clip(rng.normal(0.5, 0.22, 2), *inside)
    return drawing.View(unit * rotation, corner - unit * low, shape)


def make_training_phantom(seed: int, image_size: int = 256) -> Phantom:
    """Make a square randomised phantom, for training a segmenter.

    Any age, any severity, any set of devices, any angle in half of the cases.

    Args:
        seed: int.
        image_size: int, side in pixels; what the radiograph does not fill is black.
    """
    rng = np.random.default_rng([seed, 1])
    angle = rng.normal(0, 8) if rng.random() < 0.5 else rng.uniform(-180, 180)
    chosen = tuple(name for name in devices.DEVICES if rng.random() < 0.25)
    severity = rng.uniform(0, 1) if rng.random() < 0.4 else 0.0
    ratio = 2 ** rng.uniform(-0.35, 0.85)  # width to height of the radiograph
    inner = (int(image_size / max(ratio, 1)), int(image_size * min(ratio, 1)))
    age = rng.uniform(0, 1)
    made = make_phantom(seed, inner, severity, angle, chosen, age, randomised=True)
    top, left = ((image_size - side) // 2 for side in inner)

    def pad(layer):
        square = np.zeros((image_size, image_size), layer.dtype)
        square[top : top + inner[0], left : left + inner[1]] = layer
        return square

    return replace(
        made,
        image=pad(made.image),
        polygons=[polygon + (left, top) for polygon in made.polygons],
        mask=pad(made.mask),
        heart=pad(made.heart),
        device_masks={name: pad(mask) for name, mask in made.device_masks.items()},
    )


def make_training_arrays(
    num_phantoms: int, image_size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Make many training phantoms on all cores.

    Args:
        num_phantoms: int.
        image_size: int, side in pixels.
        seed: int; another seed has no phantom in common.

    Returns:
        uint8 images `(N, size, size, 1)`, 0 to 255, and masks `(N, size, size, 2)` of
        {0, 1}: the lungs with and without the part behind the heart.

    Raises:
        ValueError: `num_phantoms` is less than 1.
        ChildProcessError: a worker process died.
    """
    if num_phantoms < 1:
        raise ValueError(f"`num_phantoms` must be at least 1. Received: {num_phantoms}")
    first = (seed + 1) * 1_000_000
    seeds = range(first, first + num_phantoms)
    starts = range(0, num_phantoms, GROUP)
    groups = [(seeds[start : start + GROUP], image_size) for start in starts]
    images, masks = zip(*workers.map_on_cores(_make_group, groups), strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _make_group(group: tuple[range, int]) -> tuple[np.ndarray, np.ndarray]:
    seeds, size = group
    images = np.empty((len(seeds), size, size, 1), np.uint8)
    masks = np.empty((len(seeds), size, size, 2), np.uint8)
    for place, seed in enumerate(seeds):
        made = make_training_phantom(seed, size)
        images[place, ..., 0] = np.round(255 * exposure.stretch(made.image))
        masks[place, ..., 0] = made.mask
        masks[place, ..., 1] = made.mask_without_heart
    return images, masks
