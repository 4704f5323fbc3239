"""Paired differences between classifiers which judged the same cases.

The formulas of DeLong and of McNemar take the cases as independent. Where a patient
has several films, the interval to trust is that of `paired_bootstrap`, by patient.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from rds_tf import errors
from rds_tf.stats import metrics


def delong(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> dict[str, float]:
    """Test the difference of two AUROCs on the same cases.

    DeLong, DeLong and Clarke-Pearson (1988), by midranks (Sun and Xu, 2014).

    Args:
        labels: array `(N,)` of 0 and 1.
        first, second: arrays `(N,)` of finite floats, the scores of each classifier.

    Returns:
        dict of floats: `"difference"`, AUROC of first minus second; `"low"` and
        `"high"`, its 95 % normal interval; `"p"`, two-sided. A difference of 0 has p 1;
        one of estimated variance 0, as of perfect against reversed order, has p 0 and
        an interval without width: believe it only on many cases.

    Raises:
        ValueError: if a class has fewer than two cases or an array is malformed.
    """
    above, below = count_wins(labels, [first, second])
    # Wins are whole or half numbers, exact in floats: equal order gives 0 exactly.
    above, below = above[0] - above[1], below[0] - below[1]
    num_pairs = len(above) * len(below)
    # The paper divides wins by the size of the other class, and their variance by that
    # of their own: together this, over the squared number of pairs.
    variance = above.var(ddof=1) * len(above) + below.var(ddof=1) * len(below)
    deviation = np.sqrt(variance) / num_pairs
    difference = above.sum() / num_pairs
    low, high = difference + stats.norm.ppf([0.025, 0.975]) * deviation
    distance = abs(difference) / deviation if deviation else np.inf
    p = 2 * stats.norm.sf(distance) if difference else 1
    values = {"difference": difference, "low": low, "high": high, "p": p}
    return {name: float(value) for name, value in values.items()}


def mcnemar(
    labels: ArrayLike, first_decisions: ArrayLike, second_decisions: ArrayLike
) -> dict:
    """Test whether two classifiers are right equally often (McNemar, 1947).

    Exact and two-sided: of the cases which only one of them got right, either should
    have half (binomial test).

    Args:
        labels: array `(N,)` of 0 and 1.
        first_decisions, second_decisions: arrays `(N,)` of 0 and 1.

    Returns:
        dict: `"first_only"` and `"second_only"`, int, the cases which only that one
        got right; `"p"`, float, 1 where there are none.

    Raises:
        ValueError: if an array is empty, of another length or not 0 and 1.
    """
    first, second = (
        np.equal(*metrics.check_readings(labels, decisions, name, metrics.BINARY))
        for name, decisions in (
            ("first_decisions", first_decisions),
            ("second_decisions", second_decisions),
        )
    )
    first_only, second_only = int((first & ~second).sum()), int((second & ~first).sum())
    fewer, total = min(first_only, second_only), first_only + second_only
    p = min(1.0, 2 * float(stats.binom.cdf(fewer, total, 0.5)))
    return {"first_only": first_only, "second_only": second_only, "p": p}


def paired_bootstrap(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
) -> dict[str, float | None]:
    """Return the difference of two AUROCs with its 95 % bootstrap interval.

    Each resample draws patients and scores both classifiers on the same draw (Efron
    and Tibshirani, 1993, chapter 13).

    Args, Raises: as in `metrics.bootstrap_interval`, with `labels`, `first` and
        `second` as in `delong`.

    Returns:
        dict of floats `"value"`, first minus second, `"low"` and `"high"`; `None` for
        what is not defined, as on one class or one patient.
    """
    aurocs = []
    for name, scores in (("first", first), ("second", second)):
        truth, scores = metrics.check_readings(labels, scores, name, metrics.FINITE)
        aurocs.append(metrics.auroc_statistic(truth, scores))
    groups = metrics.check_groups(groups, len(truth))
    difference = {"auroc": lambda weights: aurocs[0](weights) - aurocs[1](weights)}
    return metrics.intervals(difference, groups)["auroc"]


def compare_arms(
    labels: ArrayLike,
    arms: Mapping[str, ArrayLike],
    threshold: float = 0.5,
    groups: ArrayLike | None = None,
) -> list[dict]:
    """Compare every pair of classifiers which judged the same cases.

    Args:
        labels: array `(N,)` of 0 and 1.
        arms: name -> array `(N,)` of probabilities in `[0, 1]`; two arms or more.
        threshold: float; a probability at or above it is called positive.
        groups: as in `metrics.bootstrap_interval`.

    Returns:
        A dict a pair, in the order of the arms, fit for JSON: `"first"` and `"second"`,
        names; `"auroc"`, as of `paired_bootstrap`; `"delong"`; `"mcnemar"`; `"p_holm"`,
        the p of DeLong adjusted for the number of pairs (Holm, 1979).

    Raises:
        ValueError: if there are not two arms, or as in `delong`.
    """
    if len(arms) < 2:
        raise errors.InputError(
            f"`arms` must hold two arms or more. Received: {list(arms)}"
        )
    arms = {n: metrics.check_readings(labels, p, n)[1] for n, p in arms.items()}
    decisions = {name: values >= threshold for name, values in arms.items()}
    pairs = [
        {
            "first": first,
            "second": second,
            "auroc": paired_bootstrap(labels, arms[first], arms[second], groups),
            "delong": delong(labels, arms[first], arms[second]),
            "mcnemar": mcnemar(labels, decisions[first], decisions[second]),
        }
        for first, second in itertools.combinations(arms, 2)
    ]
    adjusted = _holm([pair["delong"]["p"] for pair in pairs]).tolist()
    return [{**pair, "p_holm": p} for pair, p in zip(pairs, adjusted, strict=True)]


def match_on(labels: ArrayLike, values: ArrayLike, caliper: float) -> np.ndarray:
    """Pick as many positives as negatives, matched in pairs on one value.

    A classifier may read the shape of the image (height to width) in place of the
    lungs. On cases matched on that shape it cannot. A pair is one positive and one
    negative, and no case is in two pairs. There are as many pairs as the caliper
    allows, and the sum of their differences is as small as it can be (optimal
    matching: Rosenbaum, 1989). Equally good pairs are drawn among, by a fixed seed.

    Args:
        labels: array `(N,)` of 0 and 1.
        values: array `(N,)` of finite floats, the value to be matched on.
        caliper: float >= 0, the largest difference in a pair, in units of `values`.

    Returns:
        int array `(2 P,)`, the indices of the cases of all `P` pairs, ascending;
        empty where no pair lies within the caliper, as on one class.

    Raises:
        ValueError: if an argument is empty, of another length or out of its range.
    """
    if not 0 <= caliper < np.inf:
        raise errors.InputError(
            f"`caliper` must be finite and >= 0. Received: {caliper}"
        )
    labels, values = metrics.check_readings(labels, values, "values", metrics.FINITE)
    order = np.random.default_rng(0).permutation(len(labels))
    positive, negative = order[labels[order]], order[~labels[order]]
    distance = np.abs(values[positive][:, None] - values[negative])
    # One pair outside the caliper costs more than all pairs inside it together.
    outside = 1 + caliper * min(distance.shape)
    cost = np.where(distance <= caliper, distance, outside)
    rows, columns = optimize.linear_sum_assignment(cost)
    inside = distance[rows, columns] <= caliper
    return np.sort(np.r_[positive[rows[inside]], negative[columns[inside]]])


def _holm(p_values: list[float]) -> np.ndarray:
    """Return p values `(T,)` adjusted for the number of tests (Holm, 1979)."""
    # The smallest is multiplied by T, the next by T - 1 and so on; none ends below one
    # that was smaller, or above 1.
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    return np.minimum(np.maximum.accumulate(scaled), 1)[np.argsort(order)]


def count_wins(labels, scores) -> tuple[np.ndarray, np.ndarray]:
    """Return for each case how many of the other class lie below it, ties one half.

    The rank among all cases less the rank within the class counts them (Sun and Xu,
    2014). Positives `(K, P)`, then negatives `(K, N - P)`.
    """
    checked = [
        metrics.check_readings(labels, row, "scores", metrics.FINITE) for row in scores
    ]
    labels, scores = checked[0][0], np.stack([row for _, row in checked])
    num_positive, num_negative = labels.sum(), (~labels).sum()
    if min(num_positive, num_negative) < 2:
        raise errors.InputError(
            "`labels` must hold two cases of each class or more. Received: "
            f"{num_positive} positive and {num_negative} negative"
        )
    ranks = stats.rankdata(scores, axis=1)
    above = ranks[:, labels] - stats.rankdata(scores[:, labels], axis=1)
    below = ranks[:, ~labels] - stats.rankdata(scores[:, ~labels], axis=1)
    return above, below
