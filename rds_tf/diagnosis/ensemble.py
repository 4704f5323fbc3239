"""Models together: one calibrated probability, operating points, abstention.

The logits of the members are averaged and divided by one temperature. Everything that
is fitted (temperature, thresholds) is fitted on cases that no member saw in training;
to measure it, it is fitted on the other folds.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import special

from rds_tf import calibration, metrics, thresholds
from rds_tf.lungs import gate

SENSITIVITY = 0.95
MIN_AGREEMENT = 0.8  # of the members with the decision, else the ensemble abstains


@dataclass(frozen=True)
class Ensemble:
    """How the logits of several members become one answer.

    Attributes:
        temperature: float above 0.
        threshold: float in `[0, 1]`, the operating point of best accuracy.
        sensitive_threshold: float in `[0, 1]`, the one that finds 95 % of the cases.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    sensitive_threshold: float = 0.5

    def predict(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities `(N,)` from members' logits `(N, M)`."""
        return special.expit(np.nanmean(logits, axis=1) / self.temperature)

    def count_agreement(self, logits: np.ndarray) -> np.ndarray:
        """Return the share of members `(N,)` that decide as the ensemble does."""
        votes = special.expit(logits / self.temperature) >= self.threshold
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
        if quality < gate.MIN_QUALITY:
            reasons.append(
                "The lung mask may be wrong, and the models look through it."
            )
        return reasons

    def to_json(self) -> dict:
        """Return its numbers, for `ensemble.json`."""
        return asdict(self)


def fit(labels: np.ndarray, logits: np.ndarray) -> Ensemble:
    """Fit temperature and operating points on out-of-fold logits.

    Args:
        labels: `(N,)` of 0 and 1.
        logits: `(N, M)`, of members that did not see the case; NaN where one did.

    Raises:
        ValueError: if there is one class only.
    """
    temperature = calibration.fit_temperature(np.nanmean(logits, 1), labels)
    probabilities = Ensemble(temperature).predict(logits)
    return Ensemble(
        temperature,
        thresholds.threshold_for_accuracy(labels, probabilities),
        thresholds.threshold_for_sensitivity(labels, probabilities, SENSITIVITY),
    )


def evaluate(cases, logits: np.ndarray, quality: np.ndarray | None = None) -> dict:
    """Measure an ensemble out of fold.

    Args:
        cases: DataFrame of `rds`, `fold`, `patient_id`, one row a case.
        logits: `(N, M)`, of members that did not see the case; NaN where one did.
        quality: `(N,)` of the masks, from `gate.mask_quality`.

    Returns:
        `"temperature"`; `"raw"` and `"calibrated"`, each with `"ece"` and `"brier"`;
        `"scores"`, those of `metrics.diagnosis_scores` at the two operating points,
        `"accuracy"` and `"sensitivity"`; `"abstention"`, the share of cases left
        open, and the accuracy on those answered and left open; `"risk_coverage"`;
        `"probabilities"`, calibrated on the other folds, a list.
    """
    labels, folds = cases["rds"].to_numpy(), cases["fold"].to_numpy()
    patients = cases["patient_id"].to_numpy()
    mean = np.nanmean(logits, axis=1)
    calibrated = calibration.cross_fit_temperature(mean, labels, folds)
    points = {
        "accuracy": thresholds.threshold_for_accuracy,
        "sensitivity": thresholds.threshold_for_sensitivity,
    }
    chosen = {
        name: thresholds.cross_fit_thresholds(labels, calibrated, folds, choose)
        for name, choose in points.items()
    }
    right = (calibrated >= chosen["accuracy"]) == (labels == 1)
    sure = np.abs(calibrated - chosen["accuracy"])
    return {
        "temperature": calibration.fit_temperature(mean, labels),
        "raw": calibration.calibration_scores(labels, special.expit(mean), patients),
        "calibrated": calibration.calibration_scores(labels, calibrated, patients),
        "scores": {
            name: metrics.diagnosis_scores(labels, calibrated, limit, patients)
            for name, limit in chosen.items()
        },
        "abstention": _judge_abstention(labels, logits, quality, right, patients),
        "risk_coverage": thresholds.risk_coverage(right, sure),
        "probabilities": calibrated.tolist(),
    }


def _judge_abstention(labels, logits, quality, right, patients) -> dict:
    """Score the cases answered, and those left open, by `explain_abstention`."""
    rule = fit(labels, logits)
    disagree = rule.count_agreement(logits) < MIN_AGREEMENT
    gated = (
        np.zeros(len(labels), bool) if quality is None else quality < gate.MIN_QUALITY
    )
    left_open = disagree | gated

    def accuracy(where):
        if not where.any():
            return None
        return metrics.bootstrap_interval(right[where].astype(float), patients[where])

    return {
        "disagree": int(disagree.sum()),
        "gated": int(gated.sum()),
        "left_open": metrics.bootstrap_interval(left_open.astype(float), patients),
        "answered": accuracy(~left_open),
        "not_answered": accuracy(left_open),
    }
