"""Where to cut a probability in two, and which cases to leave unanswered.

Choose a threshold on cases other than those which it judges: `ensemble.judge_on_others`
does so fold by fold.
"""

import numpy as np
from numpy.typing import ArrayLike

from rds_tf import errors
from rds_tf.stats import metrics


def threshold_for_sensitivity(
    labels: ArrayLike, probabilities: ArrayLike, sensitivity: float = 0.95
) -> float:
    """Return the highest threshold which keeps the sensitivity wanted.

    Args:
        labels: array `(N,)` of 0 and 1.
        probabilities: array `(N,)` in `[0, 1]`; at or above the threshold: positive.
        sensitivity: float in `(0, 1]`, the least proportion of positives to be found.

    Returns:
        float in `[0, 1]`, the probability of one of the positives.

    Raises:
        ValueError: if there is one class only, or an argument is malformed.
    """
    if not 0 < sensitivity <= 1:
        raise errors.InputError(
            f"`sensitivity` must be in (0, 1]. Received: {sensitivity}"
        )
    labels, probabilities = metrics.check_readings(labels, probabilities)
    check_classes(labels)
    found = np.sort(probabilities[labels])[::-1]
    reached = np.arange(1, len(found) + 1) / len(found)
    return float(found[np.argmax(reached >= sensitivity)])


def threshold_for_accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the threshold which gets most cases right.

    It lies midway between neighbouring probabilities (or between an outermost one and
    0 or 1); of several as good, nearest to 0.5, and of two as near, the lower.

    Args, Raises: as in `threshold_for_sensitivity`.

    Returns:
        float in `[0, 1]`; just above 1 where 1 itself is best called negative.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    check_classes(labels)
    steps = np.unique(probabilities)
    thresholds = (np.r_[0, steps] + np.r_[steps, 1]) / 2
    if steps[-1] == 1:  # nothing lies above 1 but what is no probability
        thresholds[-1] = np.nextafter(1, 2)
    # Right answers at each threshold, up to a constant: negatives below it less
    # positives below it.
    missed = np.searchsorted(np.sort(probabilities[labels]), thresholds)
    cleared = np.searchsorted(np.sort(probabilities[~labels]), thresholds)
    right = cleared - missed
    best = thresholds[right == right.max()]
    # Rounded, so that two thresholds as near to 0.5 are not told apart by a last bit.
    return float(best[np.argmin(np.abs(best - 0.5).round(12))])


def risk_coverage(correct: ArrayLike, confidence: ArrayLike) -> dict:
    """Return how often answers are wrong when only the surest cases are answered.

    Risk and coverage: El-Yaniv and Wiener (2010); the area under the curve: Geifman,
    Uziel and El-Yaniv (2019). Cases of one confidence are answered together.

    Args:
        correct: array `(N,)` of 0 and 1, whether each decision is right.
        confidence: array `(N,)` of finite floats, higher where surer.

    Returns:
        dict, one step a distinct confidence, from the surest: `"coverage"`, list of
        proportions answered; `"risk"`, list of proportions wrong among the answered;
        `"area"`, float, the mean risk over coverage. All in `[0, 1]`; 0 is best.

    Raises:
        ValueError: if an array is empty, of another length or out of its range.
    """
    correct = metrics.check_vector("correct", correct, metrics.BINARY).astype(bool)
    confidence = metrics.check_vector("confidence", confidence)
    if len(correct) != len(confidence):
        raise errors.InputError(
            "`correct` and `confidence` must have one length. Received: "
            f"{len(correct)} and {len(confidence)}"
        )
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-np.inf)) + 1
    coverage = ends / len(order)
    risk = np.cumsum(~correct[order])[ends - 1] / ends
    area = float(risk @ np.diff(coverage, prepend=0))
    return {"coverage": coverage.tolist(), "risk": risk.tolist(), "area": area}


def check_classes(labels: np.ndarray) -> None:
    """Refuse what holds one class only."""
    if labels.all() or not labels.any():
        raise errors.InputError(
            "`labels` must hold both classes. Received: "
            f"{labels.sum()} positive of {len(labels)}"
        )
