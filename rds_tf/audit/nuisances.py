"""What an audit varies: the tube, the image's shape, its brightness."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rds_tf.audit import tubes


@dataclass(frozen=True)
class Case:
    """One radiograph under audit.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`.
        mask: `(H, W)` uint8 of {0, 1}, its lungs.
        tube: `(H, W)` uint8 of {0, 1}, its endotracheal tube, empty without one.
        label: 0 or 1.
        patient_id: str.
    """

    image: np.ndarray
    mask: np.ndarray
    tube: np.ndarray
    label: int
    patient_id: str


@dataclass(frozen=True)
class Nuisance:
    """Something in an image that should not matter for the diagnosis.

    Attributes:
        name: what a reader calls it.
        value: its value in a case, such as 1 where there is a tube.
        vary: case and seed to lists of images with and without it. Their mean logits
            are compared, so that one control can be several images.
    """

    name: str
    value: Callable[[Case], float]
    vary: Callable[[Case, int], tuple[list[np.ndarray], list[np.ndarray]]]


def vary_tube(case: Case, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return versions of an image with an endotracheal tube, and without one.

    Where there is a tube it is removed; from the versions that keep it, the same shape
    is removed elsewhere. Where there is none, one is drawn into the airway; in the
    version without, it is drawn over a lung.
    """
    if not case.tube.any():
        drawn, _ = tubes.insert(case.image, case.mask, seed)
        aside, _ = tubes.insert(case.image, case.mask, seed, aside=True)
        return [drawn], [aside]
    controls = tubes.move_aside(case.tube, case.mask)
    spared = [tubes.remove(case.image, control, seed) for control in controls]
    return spared or [case.image], [tubes.remove(case.image, case.tube, seed)]


def crop_to_ratio(image: np.ndarray, ratio: float) -> np.ndarray:
    """Show only a centred box of an image `(H, W)`, of a ratio of height to width.

    What lies outside is black and not cut off, so that the mask still fits.
    """
    height, width = image.shape
    tall, wide = min(height, round(width * ratio)), min(width, round(height / ratio))
    top, left = (height - tall) // 2, (width - wide) // 2
    box = slice(top, top + tall), slice(left, left + wide)
    cropped = np.zeros_like(image)
    cropped[box] = image[box]
    return cropped


def list_nuisances(cases: list[Case]) -> dict[str, Nuisance]:
    """Return the nuisances that can be varied in these cases, by their short names."""

    def ratio(case):
        return case.image.shape[0] / case.image.shape[1]

    typical = [  # of the positives, and of the negatives
        float(np.median([ratio(case) for case in cases if case.label == label] or [1]))
        for label in (1, 0)
    ]

    def vary_ratio(case, seed):
        return tuple([crop_to_ratio(case.image, each)] for each in typical)

    def has_tube(case):
        return float(case.tube.any())

    def brightness(case):
        return float(case.image.mean())

    def vary_brightness(case, seed):  # more exposure and less
        return [case.image**0.8], [case.image**1.25]

    return {
        "tube": Nuisance("endotracheal tube", has_tube, vary_tube),
        "ratio": Nuisance("height-to-width ratio of the film", ratio, vary_ratio),
        "brightness": Nuisance("brightness of the film", brightness, vary_brightness),
    }
