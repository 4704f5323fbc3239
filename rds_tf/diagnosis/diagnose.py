"""A file in, a diagnosis out: lungs, probability, heat map, warnings."""

from collections import Counter
from concurrent import futures
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from rds_tf import config, errors
from rds_tf.classification import classifier, efficientnet, ensemble, grades
from rds_tf.data import duplicates, preprocessing
from rds_tf.diagnosis import input_checks
from rds_tf.dicom import burned_in_text, radiograph
from rds_tf.explanation import stateless
from rds_tf.lungs import quality_control, segmenter

SEEN = (
    "Every segmenter saw this film in training: its mask is better than that of a new "
    "film would be."
)
SEEN_BY_ALL = (
    "The models saw this film in training: their answer would say nothing of a new one."
)
SEEN_BY_SOME = (
    "{count} of {all} models saw this film in training and were not asked about it."
)
RESHAPED = "The pixels of the film are not square: it was resampled to square ones."


@dataclass(frozen=True)
class Diagnosis:
    """What the models say about one film.

    A film that is not decided has neither probability nor heat map: either would invite
    belief.

    Attributes:
        image: `(H, W)` float32, the film as its file holds it.
        mask: `(H, W)` uint8 of {0, 1}, the lungs.
        mask_quality: float in `[0, 1]`, from `quality_control.mask_quality`.
        heatmap: `(H, W)` float32 in `[0, 1]`, one Grad-CAM of all models; 0 unless the
            decision is `"RDS"`: else there is no evidence to show.
        probability: float, `score` of a film that is decided, else None.
        decision: `"RDS"`, `"no RDS"` or `"not decided"`.
        warnings: sentences about the film and its mask.
        single: what each classifier says alone, NaN for one that was not asked.
        abstention_reasons: of the warnings those for which the film is not decided.
        finding: what the models were trained to find; the decision calls it RDS.
        segmenters: those that found the lungs; the mask is that of their mean.
        failed_checks: of the input checks that failed the name and the sentence.
        score: float, mean of the models in logit units, calibrated, also of a film that
            is not decided: to measure models on many films, not to judge one by it.
        heat_in_lungs: float in `[0, 1]`, proportion of the map that lay in the lungs.
        trained_on: what the models learnt from, in a sentence.
        pixel_ratio: height of a pixel by its width.
        grade: of RDS, int 0 to 4, see `grades.decide`; None if the models know none.
        grade_distribution: how probable the grades 0 to 4 are, or None.
    """

    image: np.ndarray
    mask: np.ndarray
    mask_quality: float
    heatmap: np.ndarray
    probability: float | None
    decision: str
    warnings: tuple[str, ...]
    single: tuple[float, ...]
    abstention_reasons: tuple[str, ...] = ()
    finding: str = config.FINDING
    segmenters: tuple[segmenter.Segmenter, ...] = ()
    failed_checks: dict[str, str] = field(default_factory=dict)
    score: float = np.nan
    heat_in_lungs: float = 0.0
    trained_on: str = ""
    pixel_ratio: float = 1.0
    grade: int | None = None
    grade_distribution: tuple[float, ...] | None = None

    @property
    def verdict(self) -> str:
        """The decision in the models' own word, such as `"no pneumonia"`."""
        return self.decision.replace(config.FINDING, self.finding)

    @property
    def statement(self) -> str:
        """What the models say, in words: evidence first, or why there is none."""
        if self.probability is None:
            return " ".join([f"{self.verdict}:", *self.abstention_reasons])
        return f"probability of {self.finding} {self.probability:.2f}: {self.verdict}"

    def make_square(self) -> "Diagnosis":
        """Return it with image, mask and heat map of square pixels, as for a screen."""
        layers = {
            name: preprocessing.make_square(getattr(self, name), self.pixel_ratio)
            for name in ("image", "mask", "heatmap")
        }
        return replace(self, **layers, pixel_ratio=1.0)


@dataclass(frozen=True)
class Models:
    """Classifiers, how they are joined, and the segmenters they were trained with."""

    segmenters: list[segmenter.Segmenter]
    classifiers: list[classifier.Classifier]
    joined: ensemble.Ensemble = ensemble.Ensemble()
    operating_point: str = "accurate"  # of the threshold, see `choose_threshold`

    @property
    def trained_on(self) -> str:
        """What the models learnt from, each data set once, in a sentence."""
        lungs, finding = (
            " and ".join(
                dict.fromkeys(
                    one.manifest.get("training", {}).get("data", "unnamed data")
                    for one in each
                )
            )
            for each in (self.segmenters, self.classifiers)
        )
        if lungs == finding:
            return f"All models were trained on {lungs}."
        return (
            f"The model of the lungs was trained on {lungs}, that of "
            f"{self.joined.finding} on {finding}."
        )


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
    image: np.ndarray,
    segmenters: list[segmenter.Segmenter],
    original: np.ndarray | None = None,
) -> tuple[segmenter.Segmentation, list[segmenter.Segmenter], list[str]]:
    """Find the lungs of a radiograph by the segmenters that did not see it in training.

    Args:
        image: `(H, W)` float32 in `[0, 1]`.
        segmenters: from `load_models`.
        original: the image as its file holds it, by which it is known to the
            segmenters, where `image` was changed since.

    Returns:
        `(lungs, used, warnings)`: the lungs by the mean probability of the segmenters
        `used`. Where all saw the radiograph, all are used, with a warning.
    """
    places = list_unseen(image if original is None else original, segmenters)
    used = [segmenters[place] for place in places] or segmenters
    network = segmenter.join_networks(used)
    found = segmenter.segment_steps(network, [image], (classifier.STEPS,))
    return found[classifier.STEPS][0], used, [] if places else [SEEN]


def list_unseen(image: np.ndarray, models: list) -> list[int]:
    """List the places of the models that did not see an image in training.

    Args:
        image: `(H, W)` float32 in `[0, 1]`, as its file holds it.
        models: segmenters or classifiers; their manifests hold the hashes of the
            pixels that they saw. The same film stored with other pixels is not known.
    """
    seen = [set(one.manifest.get("training", {}).get("seen", ())) for one in models]
    pixels = duplicates.hash_pixels(image)[:16] if any(seen) else ""
    return [place for place, known in enumerate(seen) if pixels not in known]


def choose_unseen(
    image: np.ndarray, classifiers: list[classifier.Classifier]
) -> tuple[list[int], dict[str, str], list[str]]:
    """Choose the classifiers that may judge an image: those that never saw it.

    Returns:
        `(places, failure, note)`: which to ask, all where all saw the image, which is
        a `failure` as of an input check; where some saw it, a note says so.
    """
    every = list(range(len(classifiers)))
    asked = list_unseen(image, classifiers)
    if not asked:
        return every, {"seen in training": SEEN_BY_ALL}, []
    if asked == every:
        return every, {}, []
    count = len(every) - len(asked)
    return asked, {}, [SEEN_BY_SOME.format(count=count, all=len(every))]


def diagnose(path: str | Path, models: Models) -> Diagnosis:
    """Diagnose one DICOM or PNG file. Not for clinical use.

    Raises:
        radiograph.RadiographError: the file cannot be read as a radiograph.
    """
    return diagnose_radiograph(radiograph.read_radiograph(path), models)


def diagnose_radiograph(film: radiograph.Radiograph, models: Models) -> Diagnosis:
    """Diagnose a film that was read or drawn."""
    ratio = 1.0 if "pixel shape" in film.header_failures else film.pixel_ratio
    image = preprocessing.make_square(film.image, ratio)
    with futures.ThreadPoolExecutor(1) as pool:  # while the networks run
        text_warnings = pool.submit(burned_in_text.list_warnings, film.image)
        lungs, used, seen_warnings = find_lungs(image, models.segmenters, film.image)
        checks = pool.submit(_list_failures, film, image, lungs, models.segmenters)
        asked, seen_failure, seen_note = choose_unseen(film.image, models.classifiers)
        logits = np.full(len(models.classifiers), np.nan)
        logits[asked], heatmap, in_lungs = ensemble.ask_models(
            [models.classifiers[place] for place in asked], image, lungs.mask
        )
    failed = checks.result() | seen_failure
    # Rounded before the decision, so that the two agree wherever they are written.
    score = round(float(models.joined.predict(logits[None])[0]), 6)
    reasons = [*failed.values(), *_explain_abstention(models, logits, lungs.quality)]
    decision = "RDS" if score >= models.joined.threshold else "no RDS"
    notes = [*film.warnings, *film.header_warnings, *text_warnings.result()]
    notes += [] if preprocessing.is_square(ratio) else [RESHAPED]
    notes += quality_control.mask_warnings(lungs.mask, lungs.quality)
    if reasons or decision != "RDS":
        heatmap[:] = 0
    return Diagnosis(
        image=film.image,
        mask=_fit(lungs.mask, film.image.shape, cv2.INTER_NEAREST),
        mask_quality=round(lungs.quality, 4),
        heatmap=_fit(heatmap, film.image.shape, cv2.INTER_LINEAR),
        probability=None if reasons else score,
        decision="not decided" if reasons else decision,
        warnings=tuple(dict.fromkeys([*notes, *seen_warnings, *seen_note, *reasons])),
        single=tuple(float(1 / (1 + np.exp(-logit))) for logit in logits),
        abstention_reasons=tuple(reasons),
        finding=models.joined.finding,
        segmenters=tuple(used),
        failed_checks=failed,
        score=score,
        heat_in_lungs=round(in_lungs, 4),
        trained_on=models.trained_on,
        pixel_ratio=ratio,
        **grades.judge(
            [one.manifest for one in models.classifiers],
            models.joined,
            None if reasons else score,
        ),
    )


def _explain_abstention(models: Models, logits, quality: float) -> list[str]:
    """Say why the models should not decide; the mask counts for those that use it."""
    uses_mask = any(one.manifest["input"] != "whole" for one in models.classifiers)
    return models.joined.explain_abstention(logits, quality if uses_mask else 1.0)


def _list_failures(film, image: np.ndarray, lungs, segmenters) -> dict[str, str]:
    """Return the names and sentences of the input checks that a film fails.

    Args:
        film: the `Radiograph`.
        image: it, of square pixels.
        lungs: the `Segmentation` of `image`.
        segmenters: look for lungs in its negative where there are none.
    """
    mm = film.pixel_mm
    if mm and image.shape != film.image.shape:  # the longer side was split
        mm = (min(mm), min(mm))
    found = input_checks.Found(image, lungs.mask, lungs.quality, mm)
    failed = film.header_failures | input_checks.list_failures(found)
    if "lungs" in failed:
        negative, *_ = find_lungs(1 - image, segmenters, film.image)
        if input_checks.shows_lungs(
            negative.mask, negative.quality
        ) and input_checks.is_inverted(image, negative.mask):
            # What was found before are no lungs, and nothing follows from their number.
            failed = {k: v for k, v in failed.items() if "lungs" not in k}
            failed["inversion"] = input_checks.NEGATIVE
    return failed


def _fit(layer: np.ndarray, shape: tuple[int, int], method: int) -> np.ndarray:
    """Bring a layer of the film of square pixels back to the film's own pixels."""
    if layer.shape == shape:
        return layer
    return cv2.resize(layer, shape[::-1], interpolation=method)


def describe(found: Diagnosis, source: Path, models: Models) -> dict:
    """Return a diagnosis as JSON values, without anything that names the patient.

    Of a film that is not decided every probability is None.
    """
    decided = found.probability is not None
    return {
        "file": source.name,
        "statement": found.statement,
        "probability": found.probability,
        "decision": found.verdict,
        "finding": found.finding,
        "grade": found.grade,
        "grade_distribution": found.grade_distribution
        and list(found.grade_distribution),
        "threshold": round(models.joined.threshold, 6),
        "operating_point": models.operating_point,
        "temperature": round(models.joined.temperature, 6),
        "intercept": round(models.joined.intercept, 6),
        "mask_area_px": int(found.mask.sum()),
        "mask_quality": found.mask_quality,
        "mask_convention": f"heart {models.segmenters[0].heart}",
        "mask_proportion": round(float(found.mask.mean()), 4),
        "warnings": list(found.warnings),
        "reasons": list(found.abstention_reasons),
        "failed_checks": found.failed_checks,
        "heat_in_lungs": found.heat_in_lungs if found.heatmap.any() else None,
        "trained_on": found.trained_on,
        "probability_of_each_classifier": {
            name: round(probability, 6)
            if decided and np.isfinite(probability)
            else None
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
