"""A file in, a diagnosis out: lungs, probability, heat map, warnings."""

from collections import Counter
from concurrent import futures
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rds_tf import config, errors
from rds_tf.classification import classifier, efficientnet, ensemble
from rds_tf.data import duplicates
from rds_tf.diagnosis import input_checks
from rds_tf.dicom import burned_in_text, header, radiograph
from rds_tf.explanation import stateless
from rds_tf.lungs import quality_control, segmenter

SEEN = (
    "Every segmenter saw this film in training: its mask is better than that of a new "
    "film would be."
)


@dataclass(frozen=True)
class Diagnosis:
    """What the models say about one film.

    Attributes:
        image: `(H, W)` float32, the film.
        mask: `(H, W)` uint8 of {0, 1}, the lungs.
        mask_quality: float in `[0, 1]`, from `quality_control.mask_quality`.
        heatmap: `(H, W)` float32 in `[0, 1]`, one Grad-CAM of all models; 0 where the
            probability is below the threshold: there is no evidence to show.
        probability: float, mean of the models in logit units, calibrated.
        decision: `"RDS"`, `"no RDS"` or `"not decided"`.
        warnings: sentences about the film and its mask.
        single: what each classifier says alone.
        abstention_reasons: of the warnings those for which the film is not decided.
        finding: what the models were trained to find; the decision calls it RDS.
        segmenters: those that found the lungs; the mask is that of their mean.
    """

    image: np.ndarray
    mask: np.ndarray
    mask_quality: float
    heatmap: np.ndarray
    probability: float
    decision: str
    warnings: tuple[str, ...]
    single: tuple[float, ...]
    abstention_reasons: tuple[str, ...] = ()
    finding: str = config.FINDING
    segmenters: tuple[segmenter.Segmenter, ...] = ()

    @property
    def verdict(self) -> str:
        """The decision in the models' own word, such as `"no pneumonia"`."""
        return self.decision.replace(config.FINDING, self.finding)


@dataclass(frozen=True)
class Models:
    """Classifiers, how they are joined, and the segmenters they were trained with."""

    segmenters: list[segmenter.Segmenter]
    classifiers: list[classifier.Classifier]
    joined: ensemble.Ensemble = ensemble.Ensemble()
    operating_point: str = "accurate"  # of the threshold, see `choose_threshold`


def load_models(
    path: str | Path = config.SAVED_MODELS, segmenters: str | Path | None = None
) -> Models:
    """Load what a diagnosis needs: classifiers, and the segmenters they learnt with.

    Args:
        path: folder of classifiers; `ensemble.json` in it says which of them are
            joined, and how.
        segmenters: as in `classifier.load_segmenters`.

    Raises:
        model_store.ModelError: a model is missing or damaged.
    """
    joined = ensemble.load(Path(path))
    folders = [Path(path) / member for member in joined.members] or [path]
    how = efficientnet.make_builder(lend=True), stateless.StatelessModel
    loaded = [
        one for folder in folders for one in classifier.load_classifiers(folder, *how)
    ]
    if not (Path(path) / ensemble.FILE).is_file():
        joined = ensemble.join(loaded)
    return Models(classifier.load_segmenters(loaded, path, segmenters), loaded, joined)


def choose_threshold(
    models: Models, threshold: float | None = None, operating_point: str = "accurate"
) -> Models:
    """Return the models with another threshold between positive and negative.

    Args:
        models: from `load_models`.
        threshold: float in `[0, 1]`, or None for the fitted one of `operating_point`.
        operating_point: `"accurate"`, or `"sensitive"`, by which 95 % of the positive
            cases were found.

    Raises:
        InputError: if there is no such threshold.
    """
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise errors.InputError(
                f"`threshold` must be from 0 to 1. Received: {threshold}"
            )
        operating_point = "given"
    elif operating_point == "accurate":
        return models
    elif operating_point != "sensitive":
        raise errors.InputError(
            '`operating_point` must be "accurate" or "sensitive". '
            f"Received: {operating_point!r}"
        )
    elif (threshold := models.joined.sensitive_threshold) is None:
        raise errors.InputError(
            f"{models.classifiers[0].folder}: has no sensitive threshold; `compare` "
            f"fits one and writes it into {ensemble.FILE}."
        )
    joined = replace(models.joined, threshold=threshold)
    return replace(models, joined=joined, operating_point=operating_point)


def find_lungs(
    image: np.ndarray, segmenters: list[segmenter.Segmenter]
) -> tuple[segmenter.Segmentation, list[segmenter.Segmenter], list[str]]:
    """Find the lungs of a radiograph by the segmenters that did not see it in training.

    Returns:
        `(lungs, used, warnings)`: the lungs by the mean probability of the segmenters
        `used`. Where all saw the radiograph, all are used, with a warning.
    """
    used, warnings = segmenters, []
    if any(one.manifest["training"]["seen"] for one in segmenters):
        pixels = duplicates.hash_pixels(image)[:16]
        used = [t for t in segmenters if pixels not in t.manifest["training"]["seen"]]
        if not used:
            used, warnings = segmenters, [SEEN]
    network = segmenter.join_networks(used)
    found = segmenter.segment_steps(network, [image], (classifier.STEPS,))
    return found[classifier.STEPS][0], used, warnings


def diagnose(path: str | Path, models: Models) -> Diagnosis:
    """Diagnose one DICOM or PNG file. Not for clinical use.

    Raises:
        radiograph.RadiographError: the file cannot be read as a radiograph.
    """
    return diagnose_radiograph(radiograph.read_radiograph(path), models)


def diagnose_radiograph(film: radiograph.Radiograph, models: Models) -> Diagnosis:
    """Diagnose a film that was read or drawn."""
    with futures.ThreadPoolExecutor(1) as pool:  # while the networks run
        text_warnings = pool.submit(burned_in_text.list_warnings, film.image)
        lungs, used, seen_warnings = find_lungs(film.image, models.segmenters)
        mask, quality = lungs.mask, lungs.quality
        input_warnings = pool.submit(
            input_checks.list_warnings, film.image, mask, quality, film.pixel_mm
        )
        mask_warnings = pool.submit(quality_control.mask_warnings, mask, quality)
        logits, heatmap = ensemble.ask_models(models.classifiers, film.image, mask)
    joined = models.joined
    # Rounded before the decision, so that the two agree wherever they are written.
    probability = round(float(joined.predict(logits[None])[0]), 6)
    decision = "RDS" if probability >= joined.threshold else "no RDS"
    uses_mask = any(one.manifest["input"] != "whole" for one in models.classifiers)
    reasons = joined.explain_abstention(logits, quality if uses_mask else 1.0)
    if decision == "no RDS":
        heatmap[:] = 0
    checks = [*film.header_warnings, *input_warnings.result(), *text_warnings.result()]
    # What speaks against a chest film leaves it undecided; other findings only warn.
    reasons += [one for one in checks if one.startswith(header.NOT_CHEST)]
    checks = [one for one in checks if not one.startswith(header.NOT_CHEST)]
    return Diagnosis(
        image=film.image,
        mask=mask,
        mask_quality=round(quality, 4),
        heatmap=heatmap,
        probability=probability,
        decision="not decided" if reasons else decision,
        warnings=(
            *(*film.warnings, *checks, *mask_warnings.result()),
            *(*seen_warnings, *reasons),
        ),
        single=tuple(float(1 / (1 + np.exp(-logit))) for logit in logits),
        abstention_reasons=tuple(reasons),
        finding=joined.finding,
        segmenters=tuple(used),
    )


def describe(found: Diagnosis, source: Path, models: Models) -> dict:
    """Return a diagnosis as JSON values, without anything that names the patient."""
    return {
        "file": source.name,
        "probability": found.probability,
        "decision": found.verdict,
        "finding": found.finding,
        "threshold": round(models.joined.threshold, 6),
        "operating_point": models.operating_point,
        "temperature": round(models.joined.temperature, 6),
        "intercept": round(models.joined.intercept, 6),
        "mask_area_px": int(found.mask.sum()),
        "mask_quality": found.mask_quality,
        "mask_convention": f"heart {models.segmenters[0].heart}",
        "mask_proportion": round(float(found.mask.mean()), 4),
        "warnings": list(found.warnings),
        "probability_of_each_classifier": {
            name: round(probability, 6)
            for name, probability in zip(_name(models), found.single, strict=True)
        },
        "models": [
            {
                "name": one.folder.name,
                "trained_on": one.manifest["training"]["data"],
                "sha256": one.manifest["weights"]["sha256"],
            }
            for one in (*found.segmenters, *models.classifiers)
        ],
        "notice": config.NOT_FOR_CLINICAL_USE,
    }


def _name(models: Models) -> list[str]:
    """Name classifiers by their folders, with the one above where two share a name."""
    folders = [one.folder for one in models.classifiers]
    count = Counter(folder.name for folder in folders)
    return [
        folder.name
        if count[folder.name] == 1
        else f"{folder.parent.name}/{folder.name}"
        for folder in folders
    ]
