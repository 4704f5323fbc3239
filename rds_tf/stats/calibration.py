"""Does a probability mean what it says, and how to make it do so."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from rds_tf import errors
from rds_tf.stats import metrics, thresholds

FINITE = ("finite numbers", np.isfinite)
TEMPERATURES = (0.05, 20.0)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Return the temperature T which makes `sigmoid(logits / T)` likeliest.

    Temperature scaling (Guo et al., 2017): above 1 it tones down a model too sure of
    itself. It leaves the order of the cases, and so AUROC, alone.

    Args:
        logits: array `(N,)` of finite floats.
        labels: array `(N,)` of 0 and 1.

    Returns:
        float in `[0.05, 20]`: an end where the likelihood still rises there, as for
        classes wholly apart; 1 where all logits are 0.

    Raises:
        ValueError: if there is one class only, or an array is malformed.
    """
    labels, logits = metrics.check_readings(labels, logits, "logits", FINITE)
    thresholds.check_classes(labels)
    if not logits.any():
        return 1.0

    def slope(log_temperature):
        # Of the negative log likelihood by 1 / T, in which it is convex: one zero.
        residuals = special.expit(logits * np.exp(-log_temperature)) - labels
        return residuals @ logits

    coldest, warmest = np.log(TEMPERATURES)
    if slope(coldest) <= 0:
        return TEMPERATURES[0]
    if slope(warmest) >= 0:
        return TEMPERATURES[1]
    return float(np.exp(optimize.brentq(slope, coldest, warmest)))


def fit_scaling(logits: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Fit a temperature and an offset: `(logit - offset) / temperature`.

    Platt (1999). The offset takes out what shifts all logits alike, such as classes
    drawn equally often in training; a temperature alone cannot.

    Args:
        logits, labels: as in `fit_temperature`.

    Returns:
        Temperature in `[0.05, 20]`, and offset in logits.

    Raises:
        ValueError: if there is one class only, or an array is malformed.
    """
    labels, logits = metrics.check_readings(labels, logits, "logits", FINITE)
    thresholds.check_classes(labels)

    def loss(slope_and_shift):  # convex
        slope, shift = slope_and_shift
        score = slope * logits + shift
        gap = special.expit(score) - labels
        value = np.mean(np.logaddexp(0, score) - labels * score)
        return value, np.array([np.mean(gap * logits), np.mean(gap)])

    bounds = [(1 / 20, 1 / 0.05), (-50, 50)]
    options = {"ftol": 1e-15, "gtol": 1e-10}
    found = optimize.minimize(loss, (1, 0), jac=True, bounds=bounds, options=options)
    slope, shift = found.x
    return float(1 / slope), float(-shift / slope)


def cross_fit_scaling(
    logits: ArrayLike, labels: ArrayLike, folds: ArrayLike
) -> np.ndarray:
    """Return probabilities `(N,)`, each fold scaled as fitted on the others."""
    labels, logits = metrics.check_readings(labels, logits, "logits", FINITE)
    folds = metrics.check_groups(folds, len(logits))
    found = np.zeros(len(logits))
    for fold in np.unique(folds):
        temperature, offset = fit_scaling(logits[folds != fold], labels[folds != fold])
        found[folds == fold] = (logits[folds == fold] - offset) / temperature
    return special.expit(found)


def cross_fit_temperature(
    logits: ArrayLike, labels: ArrayLike, folds: ArrayLike
) -> np.ndarray:
    """Return probabilities, each fold scaled by the temperature of the others.

    Args:
        logits: array `(N,)` of finite floats.
        labels: array `(N,)` of 0 and 1.
        folds: array `(N,)`, the fold of each case; two folds or more.

    Returns:
        array `(N,)` in `[0, 1]`.

    Raises:
        ValueError: as for `fit_temperature`, or if there is one fold only.
    """
    labels, logits = metrics.check_readings(labels, logits, "logits", FINITE)

    def fit(labels, logits):
        return fit_temperature(logits, labels)

    return special.expit(logits / thresholds.cross_fit(labels, logits, folds, fit))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, num_bins: int = 15
) -> float:
    """Return how far probabilities lie from the share of positives, on average.

    `sum of n_bin / N * |share - mean probability|` (Naeini, Cooper and Hauskrecht,
    2015) over bins of equal mass (Nixon et al., 2019). Equal probabilities share a
    bin, whatever their order. On few cases a bin it is above 0 by chance alone.

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

    Args:
        labels, probabilities, num_bins: as in `expected_calibration_error`.

    Returns:
        A dict a bin which holds cases: `"num"`, int; `"confidence"`, the mean
        probability; `"share"` of positives, with `"low"` and `"high"`, its 95 %
        interval (Wilson, 1927), which takes the cases as independent.

    Raises:
        ValueError: as for `expected_calibration_error`.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    bins = _split_equal_mass(probabilities, num_bins)
    rows = []
    for inside in (bins == number for number in range(bins.max() + 1)):
        confidence = float(probabilities[inside].mean())
        row = {"num": int(inside.sum()), "confidence": confidence}
        rows.append(row | _wilson(labels[inside]))
    return rows


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean of `(probability - label)^2` (Brier, 1950), 0 is best.

    All else is as for `expected_calibration_error`.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    return float(np.mean((probabilities - labels) ** 2))


def calibration_scores(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    num_bins: int = 15,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, dict]:
    """Return calibration error and Brier score with 95 % bootstrap intervals.

    A resample keeps the bins of all cases. It adds chance to the chance already in
    the calibration error, so that the value may lie near the interval's low end.

    Args:
        labels, probabilities, num_bins: as in `expected_calibration_error`.
        groups, num_resamples, seed: as in `metrics.bootstrap_interval`.

    Returns:
        dict: `"ece"` and `"brier"`, each with `"value"`, `"low"` and `"high"`; one
        patient alone has no interval, `None`.

    Raises:
        ValueError: as for `expected_calibration_error`.
    """
    labels, probabilities = metrics.check_readings(labels, probabilities)
    groups = metrics.check_groups(groups, len(labels))
    squares = (probabilities - labels) ** 2
    statistics = {
        "ece": _ece_statistic(labels, probabilities, num_bins),
        "brier": lambda weights: weights @ squares / weights.sum(axis=1),
    }
    return metrics.intervals(statistics, groups, num_resamples, seed, level=0.95)


def _split_equal_mass(probabilities: np.ndarray, num_bins: int) -> np.ndarray:
    """Return the bin of each case `(N,)` from 0, the middle rank of ties deciding."""
    if num_bins < 1:
        raise errors.InputError(f"`num_bins` must be 1 or more. Received: {num_bins}")
    # Twice the rank is a whole number, so the division is exact.
    twice = (2 * stats.rankdata(probabilities)).astype(int) - 1
    return np.unique(twice * num_bins // (2 * len(twice)), return_inverse=True)[1]


def _ece_statistic(labels, probabilities, num_bins: int) -> Callable:
    """Return the calibration error as a function of case weights `(R, N)`."""
    bins = _split_equal_mass(probabilities, num_bins)
    gaps = np.zeros((len(bins), bins.max() + 1))
    gaps[np.arange(len(bins)), bins] = labels - probabilities
    return lambda weights: np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)


def _wilson(labels: np.ndarray) -> dict[str, float]:
    """Return the share of positives and its 95 % score interval (Wilson, 1927)."""
    test = stats.binomtest(int(labels.sum()), len(labels))
    low, high = test.proportion_ci(method="wilson")
    return {"share": float(labels.mean()), "low": float(low), "high": float(high)}
