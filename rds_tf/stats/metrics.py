"""Scores of masks and diagnoses, each with an interval over patients.

Every interval is a percentile bootstrap (Efron and Tibshirani, 1993, chapter 13)
which draws patients, not images: films of one child are not independent.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from rds_tf import errors

LEVEL = 0.95  # coverage of every interval
# What an array may hold: in words for the message, and as a test of each value.
FINITE = ("finite numbers", np.isfinite)
BINARY = ("0 or 1", lambda values: (values == 0) | (values == 1))
IN_UNIT = ("in [0, 1]", lambda values: (values >= 0) & (values <= 1))


def iou(true: ArrayLike, predicted: ArrayLike) -> float:
    """Return the intersection over union, `|A and B| / |A or B|` (Jaccard, 1912).

    Args:
        true: array `(H, W)` of 0 and 1, the reference mask.
        predicted: array `(H, W)` of 0 and 1, the mask to be judged.

    Returns:
        float in `[0, 1]`; 1.0 when both masks are empty.

    Raises:
        ValueError: if the masks differ in shape or hold other values than 0 and 1.
    """
    true, predicted = _check_masks(true, predicted)
    return _ratio((true & predicted).sum(), (true | predicted).sum())


def dice(true: ArrayLike, predicted: ArrayLike) -> float:
    """Return the Dice coefficient of two masks.

    `2 |A and B| / (|A| + |B|)` (Dice, 1945). All else is as for `iou`.
    """
    true, predicted = _check_masks(true, predicted)
    return _ratio(2 * (true & predicted).sum(), true.sum() + predicted.sum())


def miou(true: ArrayLike, predicted: ArrayLike) -> float:
    """Return the mean of the lung's and the background's `iou`.

    The background is mostly right in any image, so MIoU lies well above the lung
    IoU. All else is as for `iou`.
    """
    true, predicted = _check_masks(true, predicted)
    return (iou(true, predicted) + iou(~true, ~predicted)) / 2


def segmentation_scores(true: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return `"miou"`, `"lung_iou"` and `"dice"`; all else is as for `iou`."""
    scores = {"miou": miou, "lung_iou": iou, "dice": dice}
    return {name: score(true, predicted) for name, score in scores.items()}


def bootstrap_interval(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, float | None]:
    """Return the mean of one value a case, with its 95 % bootstrap interval.

    Args:
        values: array `(N,)` of finite floats, one score a case.
        groups: array `(N,)`, the patient of each case, drawn whole; default: the case.
        num_resamples: int, how often the patients are drawn again; 0: no interval.
        seed: int, seed of the draws.

    Returns:
        dict of floats `"value"`, `"low"`, `"high"`; one patient: no interval, `None`.

    Raises:
        ValueError: if an argument is empty, of another length or out of its range.
    """
    values = check_vector("values", values)
    mean = {"mean": lambda weights: weights @ values / weights.sum(axis=1)}
    groups = check_groups(groups, len(values))
    return intervals(mean, groups, num_resamples, seed)["mean"]


def diagnosis_scores(
    labels: ArrayLike,
    probabilities: ArrayLike,
    threshold: float = 0.5,
    groups: ArrayLike | None = None,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict:
    """Score the probabilities of a classifier, each score with a 95 % interval.

    AUROC is the proportion of (positive, negative) pairs in the right order, ties
    counting one half (Hanley and McNeil, 1982). `recall` is the sensitivity.

    Args:
        labels: array `(N,)` of 0 and 1.
        probabilities: array `(N,)` of floats in `[0, 1]`.
        threshold: float; a probability at or above it is called positive.
        groups, num_resamples, seed: as in `bootstrap_interval`.

    Returns:
        dict, fit for JSON: `"accuracy"`, `"precision"`, `"recall"`, `"specificity"`,
        `"f1"` and `"auroc"`, each with `"value"`, `"low"` and `"high"`; `"confusion"`,
        `[[TN, FP], [FN, TP]]`; `"num_cases"`. What is not defined, as AUROC on one
        class, is `None`; resamples without a defined score do not enter its interval.

    Raises:
        ValueError: as in `bootstrap_interval`.
    """
    labels, probabilities = check_readings(labels, probabilities)
    groups = check_groups(groups, len(labels))
    decisions = probabilities >= threshold
    hits = labels & decisions
    statistics = {
        "accuracy": _ratio_statistic(labels == decisions, np.ones(len(labels))),
        "precision": _ratio_statistic(hits, decisions),
        "recall": _ratio_statistic(hits, labels),
        "specificity": _ratio_statistic(~labels & ~decisions, ~labels),
        "f1": _ratio_statistic(2 * hits, 1 * labels + decisions),
        "auroc": auroc_statistic(labels, probabilities),
    }
    scores = intervals(statistics, groups, num_resamples, seed)
    confusion = np.bincount(2 * labels + decisions, minlength=4).reshape(2, 2)
    return {**scores, "confusion": confusion.tolist(), "num_cases": len(labels)}


def _ratio_statistic(part: np.ndarray, whole: np.ndarray) -> Callable:
    """Return a ratio of two counts as a function of case weights `(R, N)`."""
    return lambda weights: _divide(weights @ part, weights @ whole)


def auroc_statistic(labels: np.ndarray, scores: np.ndarray) -> Callable:
    """Return AUROC as a function of case weights `(R, N)`.

    A weight is how often a bootstrap resample holds the case, so that all resamples
    are scored by one sort and a few sums (Hanley and McNeil, 1982).
    """
    order = np.argsort(scores, kind="stable")
    labels = labels[order]
    # Equal scores are one step of the ROC curve: `steps` holds their starts.
    steps = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))

    def auroc(weights):
        weights = weights[:, order]
        positive = np.add.reduceat(weights * labels, steps, axis=1)
        negative = np.add.reduceat(weights * ~labels, steps, axis=1)
        # Negatives below each step, and one half of those tied with it.
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        return _divide((positive * below).sum(axis=1), pairs)

    return auroc


def intervals(
    statistics: dict[str, Callable],
    groups: np.ndarray,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, dict]:
    """Return `{name: {"value", "low", "high"}}` of several scores.

    Args:
        statistics: name to a function of case weights `(R, N)`, with values `(R,)`.
        groups: int array `(N,)` from `check_groups`.
        num_resamples, seed: as in `bootstrap_interval`.
    """
    draws = {name: [] for name in statistics}
    for weights in _draw_weights(groups, num_resamples, seed):
        for name, statistic in statistics.items():
            draws[name].extend(statistic(weights))
    values = {name: f(np.ones((1, len(groups))))[0] for name, f in statistics.items()}
    return {name: _summarise(values[name], draws[name]) for name in draws}


def _draw_weights(groups, num_resamples, seed, block_size=2**22):
    """Yield blocks `(R, N)`, to bound the memory: how often a resample holds a case."""
    generator = np.random.default_rng(seed)
    num_groups = groups.max() + 1
    if num_groups == 1:
        return  # one patient drawn again is the same patient: nothing varies
    chances = np.full(num_groups, 1 / num_groups)
    num_rows = max(1, block_size // len(groups))
    # Patients drawn with replacement: one multinomial draw of how often each is.
    for start in range(0, num_resamples, num_rows):
        size = min(num_rows, num_resamples - start)
        yield generator.multinomial(num_groups, chances, size)[:, groups].astype(float)


def _summarise(value: float, draws: list[float]) -> dict:
    """Return value and percentile interval, `None` for what is not defined."""
    draws = np.array(draws)[np.isfinite(draws)]
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(draws, tails).tolist() if draws.size else (None, None)
    value = float(value) if np.isfinite(value) else None
    return {"value": value, "low": low, "high": high}


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide arrays; NaN where the whole is 0 and the score is not defined."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _ratio(part: int, whole: int) -> float:
    """Divide two counts of pixels; two empty masks agree wholly."""
    return float(part / whole) if whole else 1.0


def _check_masks(true: ArrayLike, predicted: ArrayLike) -> np.ndarray:
    """Return both masks as one bool array `(2, H, W)`, or say what is wrong."""
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.ndim != 2 or true.shape != predicted.shape:
        raise errors.InputError(
            "`true` and `predicted` must be masks of one shape (H, W). Received: "
            f"{true.shape} and {predicted.shape}"
        )
    masks = np.stack([true, predicted])
    if not ((masks == 0) | (masks == 1)).all():
        raise errors.InputError(
            "`true` and `predicted` must hold 0 and 1 only. Received: "
            f"{masks.min()} to {masks.max()}"
        )
    return masks.astype(bool)


def check_vector(name: str, values: ArrayLike, wanted=FINITE) -> np.ndarray:
    """Return one float a case `(N,)`, or say what is wrong."""
    words, is_right = wanted
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not values.size or not is_right(values).all():
        raise errors.InputError(
            f"`{name}` must be {words}, one for each case. Received: shape "
            f"{values.shape}, with {values[~is_right(values)][:3].tolist()}"
        )
    return values


def check_readings(labels, values, name="probabilities", wanted=IN_UNIT):
    """Return labels as bool and values as float, both `(N,)`, or say what is wrong."""
    values = check_vector(name, values, wanted)
    labels = check_vector("labels", labels, BINARY)
    if len(labels) != len(values):
        raise errors.InputError(
            f"`labels` and `{name}` must have one length. Received: {len(labels)} "
            f"and {len(values)}"
        )
    return labels.astype(bool), values


def check_groups(groups: ArrayLike | None, num_cases: int) -> np.ndarray:
    """Return a number from 0 for the patient of each case `(N,)`."""
    groups = list(range(num_cases) if groups is None else groups)
    num_missing = sum(g != g or g in (None, "") for g in groups)  # NaN is not itself
    if num_missing or len(groups) != num_cases:
        raise errors.InputError(
            f"`groups` must name the patient of each of {num_cases} cases. Received: "
            f"{len(groups)} entries, {num_missing} without name"
        )
    return np.unique(np.asarray(groups), return_inverse=True)[1]
