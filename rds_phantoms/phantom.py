"""Synthetic chest radiographs with known truth: lungs, devices, severity, angle.

Curves from `anatomy` and `devices` are turned into a map of attenuation, scattered,
exposed like a film and framed like one. No phantom shows a real patient, and results
on phantoms prove code, not medicine.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rds_phantoms import anatomy, canvas, devices, exposure, outline, tissue, workers

RDS_SEVERITY = 0.35  # at or above it a phantom counts as RDS


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph and its truth.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`, bone bright.
        polygons: lung outlines in pixels, closed, `(N, 2)` as x and y; a tilted beam
            cuts the mask closer than them.
        mask: `(H, W)` uint8 of {0, 1}, the lungs, the part behind the heart included.
        heart: `(H, W)` uint8 of {0, 1}, heart and great vessels.
        device_masks: name of a device to its `(H, W)` uint8 mask.
        severity: float in `[0, 1]`; RDS from `RDS_SEVERITY` on.
        angle_degrees: float, counter-clockwise turn of the infant in the picture.
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
        scale = 4  # of a pixel; the outline lies half of one inside
        large = cv2.resize(
            self.mask_without_heart,
            None,
            fx=scale,
            fy=scale,
            interpolation=cv2.INTER_NEAREST,
        )
        outlines, _ = cv2.findContours(
            large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        polygons = [(outline[:, 0] + 0.5) / scale for outline in outlines]
        return [one for one in polygons if outline.polygon_area([one]) >= 4]


def make_phantom(
    seed: int,
    shape: tuple[int, int] = (256, 256),
    severity: float = 0.0,
    angle_degrees: float = 0.0,
    device_names: tuple[str, ...] = (),
    age: float = 0.0,
    *,
    wild: bool = False,
) -> Phantom:
    """Make one phantom; the same arguments give the same pixels.

    Args:
        seed: int, draws everything that the other arguments leave open.
        shape: (H, W) in pixels.
        severity: float in `[0, 1]`: ground glass, air bronchogram, low volume.
        angle_degrees: float, counter-clockwise turn of the infant.
        device_names: names out of `devices.DEVICES`.
        age: float, 0 newborn, 0.5 school age, 1 adult proportions.
        wild: bool, let everything happen that spoils a film: lungs cut by its edge,
            failed exposure, grid lines, inversion, letters, looks no film has.

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
    view = _frame(rng, chest, shape, angle_degrees, age, wild=wild)
    look = tissue.draw_look(rng, wild=wild)
    attenuation = tissue.attenuation(rng, chest, view, severity, age, look)
    device_masks = {}
    for device in placed:
        shadow, device_masks[device.name] = tissue.shadow(device, view)
        attenuation += shadow
    exposed = exposure.expose(rng, attenuation, view, wild=wild)
    beam = exposure.collimate(rng, shape, wild=wild)
    exposed_part = exposure.draw_beam(beam, shape)
    low, high = np.maximum(beam.min(0), 0), np.minimum(beam.max(0), shape[::-1])
    polygons = [view.to_px(lung) + 0.5 for lung in chest.lungs]  # from pixel corners
    polygons = [np.clip(polygon, low, high) for polygon in polygons]
    heart = np.clip(view.to_px(chest.heart) + 0.5, low, high)
    return Phantom(
        image=exposure.finish(rng, exposed, beam, wild=wild),
        polygons=polygons,
        mask=outline.draw_mask(polygons, *shape) * exposed_part,
        heart=outline.draw_mask([heart], *shape) * exposed_part,
        device_masks={name: one * exposed_part for name, one in device_masks.items()},
        severity=severity,
        angle_degrees=angle_degrees,
    )


def make_training_phantom(seed: int, image_size: int = 256) -> Phantom:
    """Make a square wild phantom with every dial drawn, for training a segmenter.

    Any age, any severity, any set of devices, any angle in half of the cases.
    """
    rng = np.random.default_rng([seed, 1])
    angle = rng.normal(0, 8) if rng.random() < 0.5 else rng.uniform(-180, 180)
    chosen = tuple(name for name in devices.DEVICES if rng.random() < 0.25)
    severity = rng.uniform(0, 1) if rng.random() < 0.4 else 0.0
    ratio = 2 ** rng.uniform(-0.35, 0.85)  # width to height of the film
    shape = (image_size, image_size)
    inner = (int(image_size / max(ratio, 1)), int(image_size * min(ratio, 1)))
    age = rng.uniform(0, 1)
    made = make_phantom(seed, inner, severity, angle, chosen, age, wild=True)
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
        place(made.heart),
        {name: place(mask) for name, mask in made.device_masks.items()},
        made.severity,
        made.angle_degrees,
    )


def _frame(rng, chest, shape, angle_degrees: float, age: float, *, wild: bool):
    """Choose magnification and position so that the lungs stay in the picture.

    In a wild film they may be cut by its edge, or small on a large film.
    """
    turn = np.deg2rad(-angle_degrees)  # y points down
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lungs = np.vstack(chest.lungs) @ rotation.T
    low, high = lungs.min(0), lungs.max(0)
    room = np.array(shape[::-1], "float64")
    largest = (room / (high - low)).min()
    least, most, inside = np.interp(age, [0, 1], [0.62, 0.78]), 0.99, (0.03, 0.97)
    if wild:
        least, most = [(0.6, 1.0), (0.35, 0.6), (1.0, 1.1)][
            rng.choice(3, p=[0.75, 0.15, 0.10])
        ]
        inside = (-0.1, 1.1)
    unit = largest * rng.uniform(least, most)
    free = room - unit * (high - low)
    corner = free * np.clip(rng.normal(0.5, 0.22, 2), *inside)
    return canvas.View(unit * rotation, corner - unit * low, shape)


def draw_phantoms(
    num_phantoms: int, size: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw training phantoms on all cores.

    Args:
        num_phantoms: int.
        size: int, side in pixels.
        seed: int; another seed has no phantom in common.

    Returns:
        uint8 images `(N, size, size, 1)`, 0 to 255, and masks `(N, size, size, 2)` of
        {0, 1}: the lungs with and without the part behind the heart.

    Raises:
        ValueError: if `num_phantoms` is less than 1, or one cannot be drawn.
    """
    if num_phantoms < 1:
        raise ValueError(f"`num_phantoms` must be at least 1. Received: {num_phantoms}")
    seeds = [((seed + 1) * 1_000_000 + index, size) for index in range(num_phantoms)]
    groups = [seeds[at : at + 50] for at in range(0, num_phantoms, 50)]
    images, masks = zip(*workers.map_on_cores(_draw_group, groups), strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _draw_group(group: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    size = group[0][1]
    images = np.empty((len(group), size, size, 1), np.uint8)
    masks = np.empty((len(group), size, size, 2), np.uint8)
    for place, (seed, _) in enumerate(group):
        made = make_training_phantom(seed, size)
        images[place, ..., 0] = np.round(255 * exposure.stretch(made.image))
        masks[place, ..., 0] = made.mask
        masks[place, ..., 1] = made.mask_without_heart
    return images, masks
