"""Phantoms to train a segmenter on: everything drawn at random, many at once."""

from dataclasses import replace

import numpy as np

from rds_phantoms import devices, disease, film, phantom, workers

GROUP = 50  # phantoms that a worker draws at a time


def draw_weeks(rng: np.random.Generator) -> float:
    """Draw an age in weeks for training: newborns, small children, some grown."""
    kind = rng.choice(3, p=[0.45, 0.43, 0.12])
    low, high = ((24, 60), (60, 400), (400, 1080))[kind]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def make_training_phantom(seed: int, image_size: int = 256) -> phantom.Phantom:
    """Make a square randomised phantom, for training a segmenter.

    Any age, severity, findings and devices, any angle in half of the cases.

    Args:
        seed: int.
        image_size: int, side in pixels; what the film does not fill is black.
    """
    rng = np.random.default_rng([seed, 1])
    angle = film.draw_tilt(rng) if rng.random() < 0.5 else rng.uniform(-180, 180)
    chosen = tuple(name for name in devices.DEVICES if rng.random() < 0.2)
    severity = rng.uniform(0, 1) if rng.random() < 0.4 else 0.0
    ratio = 2 ** rng.uniform(-0.35, 0.85)  # width to height of the film
    inner = (int(image_size / max(ratio, 1)), int(image_size * min(ratio, 1)))
    findings = ()
    if rng.random() < 0.4:
        several = rng.choice(
            len(disease.FINDINGS), 1 + (rng.random() < 0.2), replace=False
        )
        findings = tuple(disease.FINDINGS[index] for index in several)
    made = phantom.make_phantom(
        seed, inner, severity, angle, chosen, draw_weeks(rng), findings, randomised=True
    )
    return _pad(made, image_size)


def _pad(made: phantom.Phantom, image_size: int) -> phantom.Phantom:
    """Lay a phantom in the middle of a black square."""
    top, left = ((image_size - side) // 2 for side in made.image.shape)
    lower, right = (
        image_size - side - gap
        for side, gap in zip(made.image.shape, (top, left), strict=True)
    )

    def pad(layer):
        return np.pad(layer, ((top, lower), (left, right)))

    moved = np.array([left, top])
    return replace(
        made,
        **{
            name: pad(getattr(made, name))
            for name in ("image", "mask", "recess", "right", "heart", "ribs")
        },
        device_masks={name: pad(mask) for name, mask in made.device_masks.items()},
        finding_masks={name: pad(mask) for name, mask in made.finding_masks.items()},
        device_tips={name: tip + moved for name, tip in made.device_tips.items()},
        carina=made.carina + moved,
        vertebrae=made.vertebrae + moved,
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
        images[place, ..., 0] = np.round(255 * stretch(made.image))
        masks[place, ..., 0] = made.mask
        masks[place, ..., 1] = made.mask_without_heart
    return images, masks


def stretch(image: np.ndarray) -> np.ndarray:
    """Map percentiles 1 and 99 of the exposed pixels to 0 and 1, and clip."""
    exposed = image[image > 0.004 * image.max()]
    if exposed.size < 16:
        return np.zeros_like(image, "float32")
    low, high = np.percentile(exposed, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-3), 0, 1).astype("float32")
