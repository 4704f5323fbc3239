"""Does a probability mean what it says, and how to make it do so."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from rds_tf import errors
from rds_tf.stats import metrics, thresholds

TEMPERATURES = (0.05, 20.0)  # bounds of the fit: classes wholly apart have no best one


def fit_scaling(logits: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Fit a temperature and an intercept: `(logit - intercept) / temperature`.

    Platt scaling (Platt, 1999): logistic regression on the logit. A temperature above
    1 tones down a model too sure of itself (Guo et al., 2017). The intercept takes out
    what shifts all logits alike, such as classes drawn equally often in training. The
    order of the cases, and so AUROC, stays.

    Args:
        logits: array `(N,)` of finite floats.
        labels: array `(N,)` of 0 and 1.

    Returns:
        Temperature in `[0.05, 20]`, and intercept in logits.

    Raises:
        ValueError: if there is one class only, or an array is malformed.
    """
    labels, logits = metrics.check_readings(labels, logits, "logits", metrics.FINITE)
    thresholds.check_classes(labels)

    def loss(slope_and_shift):
        # Mean negative log likelihood and its gradient. It is convex in slope and
        # shift, as it is not in temperature and intercept.
        slope, shift = slope_and_shift
        score = slope * logits + shift
        residuals = special.expit(score) - labels
        value = np.mean(np.logaddexp(0, score) - labels * score)
        return value, np.array([np.mean(residuals * logits), np.mean(residuals)])

    low, high = TEMPERATURES
    bounds = [(1 / high, 1 / low), (-50, 50)]
    options = {"ftol": 1e-15, "gtol": 1e-10}
    found = optimize.minimize(loss, (1, 0), jac=True, bounds=bounds, options=options)
    slope, shift = found.x
    return float(1 / slope), float(-shift / slope)


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, num_bins: int = 15
) -> float:
    """Return how far probabilities lie from the proportion of positives, on average.

    `sum of n_bin / N * |proportion - mean probability|` (Naeini, Cooper and
    Hauskrecht, 2015) over bins of equal mass (Nixon et al., 2019). Equal probabilities
    fall into one bin, whatever their order. With few cases in a bin the error is above
    0 by chance alone.

    Args:
        labels: array `(N,)` of 0 and 1.
        probabilities: array `(N,)` of floats in `[0, 1]`.
        num_bins: int >= 1; bins which get no case are left out.

    Returns:
        float in `[0, 1]`; 0 is best.

    Raises:
        ValueError: if an argument is empty, of another length or out of its range.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    error = _ece_statistic(labels, probabilities, num_bins)
    return float(error(np.ones((1, len(labels))))[0])


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, num_bins: int = 10
) -> list[dict]:
    """Return the bins of a reliability diagram, from low to high probability.

    Args, Raises: as in `expected_calibration_error`.

    Returns:
        A dict for each bin with cases: `"num"`, int; `"confidence"`, the mean
        probability; `"proportion"` of positives, with `"low"` and `"high"`, its 95 %
        interval (Wilson, 1927), which takes the cases as independent.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    bins = _split_equal_mass(probabilities, num_bins)
    rows = []
    for inside in (bins == number for number in range(bins.max() + 1)):
        test = stats.binomtest(int(labels[inside].sum()), int(inside.sum()))
        interval = test.proportion_ci(method="wilson")
        rows.append(
            {
                "num": int(inside.sum()),
                "confidence": float(probabilities[inside].mean()),
                "proportion": float(labels[inside].mean()),
                "low": float(interval.low),
                "high": float(interval.high),
            }
        )
    return rows


def calibration_scores(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    num_bins: int = 15,
) -> dict[str, dict]:
    """Return calibration error and Brier score with 95 % bootstrap intervals.

    The Brier score is the mean of `(probability - label)^2` (Brier, 1950); 0 is best.
    A resample keeps the bins of all cases. It adds chance to the chance already in
    the calibration error, so that the value may lie near the interval's low end.

    Args, Raises: as in `expected_calibration_error`, and `groups` as in
        `metrics.bootstrap_interval`.

    Returns:
        dict: `"ece"` and `"brier"`, each with `"value"`, `"low"` and `"high"`; one
        patient alone has no interval, `None`.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    groups = metrics.check_groups(groups, len(labels))
    squares = (probabilities - labels) ** 2
    statistics = {
        "ece": _ece_statistic(labels, probabilities, num_bins),
        "brier": lambda weights: weights @ squares / weights.sum(axis=1),
    }
    return metrics.intervals(statistics, groups)


def _split_equal_mass(probabilities: np.ndarray, num_bins: int) -> np.ndarray:
    """Return the bin of each case `(N,)` from 0; tied cases share their middle rank."""
    if num_bins < 1:
        raise errors.InputError(f"`num_bins` must be 1 or more. Received: {num_bins}")
    # Twice the rank is a whole number, so the division is exact.
    twice = (2 * stats.rankdata(probabilities)).astype(int) - 1
    return np.unique(twice * num_bins // (2 * len(twice)), return_inverse=True)[1]


def _ece_statistic(labels, probabilities, num_bins: int) -> Callable:
    """Return the calibration error as a function of case weights `(R, N)`."""
    bins = _split_equal_mass(probabilities, num_bins)
    # One column a bin, so that one product sums the gaps of every bin and resample.
    gaps = np.zeros((len(bins), bins.max() + 1))
    gaps[np.arange(len(bins)), bins] = labels - probabilities
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
