"""Models together: one calibrated probability, operating points, abstention.

The mean logit of the members, less one intercept, is divided by one temperature
(Platt scaling). Temperature, intercept and thresholds are fitted on cases that no
member saw in training; to measure them, they are fitted on the other folds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from rds_tf import config, errors
from rds_tf.explanation import grad_cam
from rds_tf.lungs import cropping, quality_control
from rds_tf.stats import calibration, metrics, thresholds
from rds_tf.storage import disk, model_store

FILE = "ensemble.json"
SENSITIVITY = 0.95
MIN_AGREEMENT = 0.8  # of the members with the decision, else the ensemble abstains


@dataclass(frozen=True)
class Ensemble:
    """How the logits of several members become one answer.

    Attributes:
        temperature: float above 0.
        intercept: float, in logits, taken off the mean logit first.
        threshold: float in `[0, 1]`, the operating point of best accuracy.
        sensitive_threshold: float in `[0, 1]`, the one that finds 95 % of the cases;
            None where none was fitted.
        members: folders of its models below that of `ensemble.json`; empty: all there.
        finding: what label 1 of the training data stands for.
        segmenters: those that cut the members' windows, each as
            `segmenter.Segmenter.describe` gives it.
    """

    temperature: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    sensitive_threshold: float | None = None
    members: tuple[str, ...] = ()
    finding: str = config.FINDING
    segmenters: tuple[dict, ...] = ()

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities `(N,)` from members' logits `(N, M)`."""
        return special.expit(self.scale(np.nanmean(logits, axis=1)))

    def scale(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated logits."""
        return (logits - self.intercept) / self.temperature

    def count_agreement(self, logits: np.ndarray) -> np.ndarray:
        """Return the proportion of members `(N,)` that decide as the ensemble does."""
        votes = special.expit(self.scale(logits)) >= self.threshold
        decided = self.predict(logits) >= self.threshold
        known = np.isfinite(logits)
        return ((votes == decided[:, None]) & known).sum(1) / known.sum(1)

    def explain_abstention(self, logits: np.ndarray, quality: float = 1.0) -> list[str]:
        """Say why one case `(M,)` should not be decided; an empty list where it may."""
        reasons = []
        agreement = self.count_agreement(np.reshape(logits, (1, -1)))[0]
        if agreement < MIN_AGREEMENT:
            reasons.append(
                f"The models disagree: {agreement:.0%} of them share this view."
            )
        if quality < quality_control.MIN_QUALITY:
            reasons.append(
                "The lung mask may be wrong, and the models look through it."
            )
        return reasons


def load(folder: Path) -> Ensemble:
    """Read `ensemble.json` in a folder of models; the plain mean where there is none.

    Raises:
        model_store.ModelError: if it cannot be read as one.
    """
    path = folder / FILE
    if not path.is_file():
        return Ensemble()
    try:
        content = disk.read_json(path)
        if "offset" in content:  # its name in older files
            content["intercept"] = content.pop("offset")
        about = {
            "members": tuple(map(str, content.pop("members", ()))),
            "finding": config.check_finding(content.pop("finding", config.FINDING)),
            "segmenters": tuple(content.pop("segmenters", ())),
        }
        numbers = {name: float(value) for name, value in content.items()}
        found = Ensemble(**numbers, **about)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise model_store.ModelError(f"{path}: is not an ensemble: {error}.") from error
    if not np.isfinite(list(numbers.values())).all():
        raise model_store.ModelError(f"{path}: a number of it is not finite.")
    if not found.temperature > 0:
        raise model_store.ModelError(f"{path}: its temperature must be above 0.")
    highest = np.nextafter(1, 2)  # a fitted one that calls no case positive
    limits = [numbers[name] for name in numbers if name.endswith("threshold")]
    if not all(0 <= limit <= highest for limit in limits):
        raise model_store.ModelError(f"{path}: a threshold is not from 0 to 1.")
    if not model_store.are_segmenters(found.segmenters):
        raise model_store.ModelError(f"{path}: its segmenters cannot be right.")
    return found


def join(classifiers: list) -> Ensemble:
    """Join classifiers that no `ensemble.json` describes: the mean of their logits.

    Raises:
        model_store.ModelError: they find different things, or the threshold of a
            single one is not from 0 to 1.
    """
    first = classifiers[0]
    trainings = [one.manifest["training"] for one in classifiers]
    findings = {str(one.get("finding", config.FINDING)) for one in trainings}
    if len(findings) > 1:
        names = ", ".join(sorted(findings))
        raise model_store.ModelError(f"{first.folder} and others find {names}.")
    threshold = first.manifest.get("threshold", 0.5) if len(classifiers) == 1 else 0.5
    if not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise model_store.ModelError(f"{first.folder}: its threshold is not 0 to 1.")
    return Ensemble(threshold=threshold, finding=config.check_finding(*findings))


def ask_models(classifiers, image: np.ndarray, mask: np.ndarray):
    """Ask every classifier about a film and fuse where they look.

    The signed maps of all are laid back onto the film and averaged in logit units,
    then rectified and scaled once. Those of classifiers that see a crop fade outside
    the lungs.

    Args:
        classifiers: `classifier.Classifier`s of any inputs and sizes.
        image: the film, `(H, W)`.
        mask: its lungs, `(H, W)` of {0, 1}.

    Returns:
        Logits `(M,)`; the heat map `(H, W)` float32 in `[0, 1]`; and the proportion of
        the heat that lay in the lungs before it faded, 0 where there is none.
    """
    groups = {}
    for place, one in enumerate(classifiers):
        size = one.manifest["architecture"]["image_size"]
        groups.setdefault((one.manifest["input"], size), []).append(place)
    logits = np.zeros(len(classifiers))
    heat, faded = np.zeros((2, *image.shape), "float32")
    for (name, size), places in groups.items():
        window, square = cropping.cut_input(image, mask, name, size)
        models = [classifiers[place].model for place in places]
        found = grad_cam.explain(models, square)
        logits[places] = found.logits
        # A cell of a map holds its part of the logit: finer maps hold less a cell, and
        # a smaller window more a pixel of the film.
        density = (size / window.side) ** 2
        signed = len(places) * density * window.put_back(found.mean - found.counter)
        heat += signed
        faded += signed if name == "whole" else signed * cropping.fade_outside(mask)
    heat, faded = np.maximum(heat, 0), np.maximum(faded, 0)
    in_lungs = float(heat[mask > 0].sum()) / max(float(heat.sum()), 1e-9)
    return logits, faded / max(float(faded.max()), 1e-9), in_lungs


def fit(labels: np.ndarray, logits: np.ndarray) -> Ensemble:
    """Fit scaling and operating points on out-of-fold logits.

    Args:
        labels: `(N,)` of 0 and 1.
        logits: `(N, M)`, of members that did not see the case; NaN where one did.

    Raises:
        ValueError: there is one class only.
    """
    scaling = calibration.fit_scaling(np.nanmean(logits, 1), labels)
    probabilities = Ensemble(*scaling).predict(logits)
    return Ensemble(
        *scaling,
        thresholds.threshold_for_accuracy(labels, probabilities),
        thresholds.threshold_for_sensitivity(labels, probabilities, SENSITIVITY),
    )


def evaluate(cases, logits: np.ndarray, quality: np.ndarray | None = None) -> dict:
    """Measure an ensemble out of fold.

    Args:
        cases: DataFrame of `rds`, `fold`, `patient_id`, one row a case.
        logits: `(N, M)`, of members that did not see the case; NaN where one did.
        quality: `(N,)` of the masks, from `quality_control.mask_quality`.

    Returns:
        `"temperature"`, `"intercept"`; `"raw"` and `"calibrated"`, each with `"ece"`
        and `"brier"`; `"scores"`, those of `metrics.diagnosis_scores` at the two
        operating points, `"accuracy"` and `"sensitivity"`; `"abstention"`, the
        proportion of cases abstained from, and the accuracy on the others and on them;
        `"risk_coverage"`; `"probabilities"`, calibrated on the other folds, a list.
    """
    labels = cases["rds"].to_numpy()
    patients = cases["patient_id"].to_numpy()
    mean = np.nanmean(logits, axis=1)
    judged = judge_on_others(cases, logits)
    calibrated = judged["probability"].to_numpy()
    points = {"accuracy": "threshold", "sensitivity": "sensitive_threshold"}
    temperature, intercept = calibration.fit_scaling(mean, labels)
    right = (calibrated >= judged["threshold"].to_numpy()) == (labels == 1)
    sure = np.abs(calibrated - judged["threshold"].to_numpy())
    disagree = judged["agreement"].to_numpy() < MIN_AGREEMENT
    return {
        "temperature": temperature,
        "intercept": intercept,
        "raw": calibration.calibration_scores(labels, special.expit(mean), patients),
        "calibrated": calibration.calibration_scores(labels, calibrated, patients),
        "scores": {
            name: metrics.diagnosis_scores(
                labels, calibrated, judged[limit].to_numpy(), patients
            )
            for name, limit in points.items()
        },
        "abstention": _judge_abstention(disagree, quality, right, patients),
        "risk_coverage": thresholds.risk_coverage(right, sure),
        "probabilities": calibrated.tolist(),
    }


def judge_on_others(cases, logits: np.ndarray) -> pd.DataFrame:
    """Judge each fold by the ensemble that `fit` makes of all other folds.

    Nothing that a case is judged by (scaling, thresholds, agreement) has seen a label
    of its fold.

    Args: as in `evaluate`.

    Returns:
        One row a case: `probability`, `threshold`, `sensitive_threshold`, `agreement`.

    Raises:
        ValueError: if there is one fold only, or one class outside of a fold.
    """
    labels, folds = cases["rds"].to_numpy(), cases["fold"].to_numpy()
    if len(np.unique(folds)) < 2:
        raise errors.InputError("`fold` must name two folds or more. Received: one")
    found = pd.DataFrame(index=range(len(cases)))
    for fold in np.unique(folds):
        inside = folds == fold
        rule = fit(labels[~inside], logits[~inside])
        found.loc[inside, "probability"] = rule.predict(logits[inside])
        found.loc[inside, "threshold"] = rule.threshold
        found.loc[inside, "sensitive_threshold"] = rule.sensitive_threshold
        found.loc[inside, "agreement"] = rule.count_agreement(logits[inside])
    return found


def _judge_abstention(disagree, quality, right, patients) -> dict:
    """Score the cases answered, and those that `explain_abstention` holds back."""
    poor = np.zeros(len(right), bool)
    if quality is not None:
        poor = quality < quality_control.MIN_QUALITY
    abstained = disagree | poor

    def accuracy(where):
        if not where.any():
            return None
        return metrics.bootstrap_interval(right[where].astype(float), patients[where])

    return {
        "disagree": int(disagree.sum()),
        "poor_masks": int(poor.sum()),
        "abstained": metrics.bootstrap_interval(abstained.astype(float), patients),
        "answered": accuracy(~abstained),
        "not_answered": accuracy(abstained),
    }
