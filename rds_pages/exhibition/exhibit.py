"""What the exhibition shows of one film: diagnosis, steps, tube on and off."""

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np

from rds_phantoms import phantom
from rds_tf import errors
from rds_tf.audit import tubes
from rds_tf.data import preprocessing
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter
from rds_tf.stats import metrics

PHANTOM_PX = 512
WORK_PX = 1024  # of an upload; the networks see no more than half of it
SHOWN_PX = 640


@dataclass(frozen=True)
class Settings:
    """What a visitor chooses of a phantom.

    Attributes:
        severity: float in `[0, 1]`.
        angle_degrees: float, counter-clockwise turn of the infant.
        tube: bool, does it have an endotracheal tube?
        seed: int, which infant.
        weeks: float, its post-menstrual age.
        tube_tip: float, height of the tube's tip above the carina in heights of T1 to
            T2, negative in the right main bronchus.
    """

    severity: float = 0.6
    angle_degrees: float = 20.0
    tube: bool = True
    seed: int = 3
    weeks: float = 30.0
    tube_tip: float = 1.5


@dataclass(frozen=True)
class Step:
    """What one step of post-processing finds.

    Attributes:
        mask: `(h, w)` uint8 of {0, 1}.
        dice: float in `[0, 1]` against the truth of a phantom, else None.
    """

    mask: np.ndarray
    dice: float | None


@dataclass(frozen=True)
class Exhibit:
    """All that is shown of one film, in arrays `(h, w)` of a screen's size.

    Attributes:
        found: the `Diagnosis` of the film as it is.
        other: the `Diagnosis` of the same film with the tube switched.
        has_tube: bool, whether the tube is in `found` or in `other`; an uploaded
            film counts as the one without, whatever lines it shows.
        steps: what each of `segmenter.STEPS` finds.
        truth: `(h, w)` uint8, the lungs of a phantom, else None.
        severity: float, of a phantom, else None.
        threshold: float, probability from which on the decision is RDS.
        num_models: int, number of classifiers.
        crops: bool, do some of them see only the crop around the lungs?
        trained_on: what they were trained on, each data set once.
    """

    found: diagnose.Diagnosis
    other: diagnose.Diagnosis
    has_tube: bool
    steps: dict[str, Step]
    truth: np.ndarray | None
    severity: float | None
    threshold: float
    num_models: int
    crops: bool
    trained_on: tuple[str, ...]

    @property
    def without_and_with(self) -> tuple[diagnose.Diagnosis, diagnose.Diagnosis]:
        """The film without the tube and with it."""
        pair = self.found, self.other
        return pair[::-1] if self.has_tube else pair


def show_phantom(
    settings: Settings, models: diagnose.Models, size: int = PHANTOM_PX
) -> Exhibit:
    """Make a phantom and diagnose it with and without its tube.

    Both are the same infant under the same beam: before detector and processing blur
    it, only the tube's own shadow differs.

    Args:
        settings: the visitor's choice.
        models: from `diagnose.load_models`.
        size: int, side of the film in pixels.

    Raises:
        ValueError: if a setting is out of its range.
    """
    for name in ("angle_degrees", "tube_tip"):
        value = getattr(settings, name)
        if not np.isfinite(value):
            raise errors.InputError(f"`{name}` must be finite. Received: {value}")
    made = {
        tube: phantom.make_phantom(
            settings.seed,
            (size, size),
            settings.severity,
            settings.angle_degrees,
            ("ett",) * tube,
            settings.weeks,
            tube_tip=settings.tube_tip,
        )
        for tube in (settings.tube, not settings.tube)
    }
    one = made[settings.tube]
    truth = one.mask if models.segmenters[0].heart == "in" else one.mask_without_heart
    films = [radiograph.Radiograph(each.image, 8) for each in made.values()]
    found, other = (diagnose.diagnose_radiograph(film, models) for film in films)
    return _compose(
        found,
        other,
        models,
        has_tube=settings.tube,
        truth=truth,
        severity=settings.severity,
    )


def show_film(film: radiograph.Radiograph, models: diagnose.Models) -> Exhibit:
    """Diagnose a film, shrunk to `WORK_PX`, and again with a synthetic tube in it."""
    small = shrink(film.image, WORK_PX)
    if film.pixel_mm:  # a pixel of the small film is that much larger
        ratios = np.divide(film.image.shape, small.shape)
        film = dataclasses.replace(film, pixel_mm=tuple(film.pixel_mm * ratios))
    film = dataclasses.replace(film, image=small)
    found = diagnose.diagnose_radiograph(film, models)
    drawn, _ = tubes.insert(film.image, found.mask)
    other = diagnose.diagnose_radiograph(dataclasses.replace(film, image=drawn), models)
    return _compose(found, other, models, has_tube=False)


def _compose(
    found, other, models, *, has_tube: bool, truth=None, severity=None
) -> Exhibit:
    """Segment step by step and shrink everything to the size of a screen."""
    network = segmenter.join_networks(models.segmenters)
    masks = segmenter.segment_steps(network, [found.image])
    steps = {
        name: Step(
            shrink(one.mask), None if truth is None else metrics.dice(truth, one.mask)
        )
        for name, (one,) in masks.items()
    }
    return Exhibit(
        found=_shrink_all(found),
        other=_shrink_all(other),
        has_tube=has_tube,
        steps=steps,
        truth=None if truth is None else shrink(truth),
        severity=severity,
        threshold=models.joined.threshold,
        num_models=len(models.classifiers),
        crops=any(one.manifest["input"] != "whole" for one in models.classifiers),
        trained_on=tuple(
            dict.fromkeys(
                one.manifest["training"]["data"] for one in models.classifiers
            )
        ),
    )


def _shrink_all(found: diagnose.Diagnosis) -> diagnose.Diagnosis:
    found = found.make_square()
    return dataclasses.replace(
        found,
        image=preprocessing.stretch(shrink(found.image)),
        mask=shrink(found.mask),
        heatmap=shrink(found.heatmap),
    )


def shrink(array: np.ndarray, longest_px: int = SHOWN_PX) -> np.ndarray:
    """Shrink `(H, W)` to the size of a screen; a smaller one stays as it is."""
    scale = longest_px / max(array.shape)
    if scale >= 1:
        return array
    size = [max(1, round(side * scale)) for side in array.shape[::-1]]
    method = cv2.INTER_NEAREST if array.dtype == np.uint8 else cv2.INTER_AREA
    return cv2.resize(array, size, interpolation=method)
