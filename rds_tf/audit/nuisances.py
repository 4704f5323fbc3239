"""Moved."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rds_tf.audit import tubes


@dataclass(frozen=True)
class Case:
    """One film under audit.

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
    """Something on a film that should not matter.

    Attributes:
        name: what a reader calls it.
        value: its value in a case, such as 1 where there is a tube.
        vary: case and seed to lists of films with and without it. Their mean logits
            are compared, so that one control can be several films.
    """

    name: str
    value: Callable[[Case], float]
    vary: Callable[[Case, int], tuple[list[np.ndarray], list[np.ndarray]]]


def vary_tube(case: Case, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return versions of a film with an endotracheal tube, and without one.

    Where there is a tube it is cut out, and for the films with it, patches of the same
    shape are cut out elsewhere; where there is none, one is drawn into the airway,
    and for the film without, over a lung.
    """
    if not case.tube.any():
        drawn, _ = tubes.insert(case.image, case.mask, seed)
        aside, _ = tubes.insert(case.image, case.mask, seed, aside=True)
        return [drawn], [aside]
    controls = tubes.move_aside(case.tube, case.mask)
    spared = [tubes.remove(case.image, control, seed) for control in controls]
    return spared or [case.image], [tubes.remove(case.image, case.tube, seed)]


def vary_ratio(case: Case, ratios: tuple[float, float]):
    """Return a film cropped to two ratios of height to width.

    Args:
        case: the film.
        ratios: typical of the positives, and of the negatives.

    Returns:
        Lists of one film each.
    """
    return tuple([crop_to_ratio(case.image, ratio)] for ratio in ratios)


def crop_to_ratio(image: np.ndarray, ratio: float) -> np.ndarray:
    """Crop a film `(H, W)` about its centre to a ratio of height to width.

    What is cropped is blackened, not cut off, where it would shift the coordinates:
    the film keeps its size, a box of the given ratio stays exposed.
    """
    height, width = image.shape
    tall, wide = min(height, round(width * ratio)), min(width, round(height / ratio))
    top, left = (height - tall) // 2, (width - wide) // 2
    cropped = np.zeros_like(image)
    cropped[top : top + tall, left : left + wide] = image[
        top : top + tall, left : left + wide
    ]
    return cropped


def vary_brightness(case: Case, seed: int):
    """Return a film of more and of less exposure (gamma 0.8 and 1.25)."""
    return [case.image**0.8], [case.image**1.25]


def list_nuisances(cases: list[Case]) -> dict[str, Nuisance]:
    """Return the nuisances that can be varied on these films, by their short names."""

    def ratio(case):
        return case.image.shape[0] / case.image.shape[1]

    typical = tuple(
        float(np.median([ratio(case) for case in cases if case.label == label] or [1]))
        for label in (1, 0)
    )
    return {
        "tube": Nuisance(
            "endotracheal tube", lambda case: float(case.tube.any()), vary_tube
        ),
        "ratio": Nuisance(
            "height-to-width ratio of the film",
            ratio,
            lambda case, seed: vary_ratio(case, typical),
        ),
        "brightness": Nuisance(
            "brightness of the film",
            lambda case: float(case.image.mean()),
            vary_brightness,
        ),
    }
