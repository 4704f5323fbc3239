"""Multi-reader multi-case analysis: do readers in general gain, on cases in general?

Obuchowski and Rockette (1995): an analysis of variance of the readers' scores whose
errors are correlated, because all read the same cases. Degrees of freedom by Hillis
(2007); the formulas stand together in Hillis, Berbaum and Metz (2008). Leading axes of
all arrays are studies: thousands of simulated ones are analysed in one call. Cases are
taken as independent: one film a patient.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from rds_tf import errors
from rds_tf.stats import paired_tests

ALPHA = 0.05  # of all tests; intervals cover 1 - ALPHA
DESIGNS = {
    "random": "readers and cases in general",
    "fixed readers": "these readers, cases in general",
    "fixed cases": "readers in general, these cases",
}


class ErrorCovariances(NamedTuple):
    """Variance and covariances of the errors of the scores, arrays `(...,)`.

    Attributes:
        variance: of one score, mean over readers and treatments.
        cov1: same reader, other treatment.
        cov2: other reader, same treatment.
        cov3: other reader, other treatment.
        cov2_each: `(..., 2)`, `cov2` of each treatment alone.
    """

    variance: np.ndarray
    cov1: np.ndarray
    cov2: np.ndarray
    cov3: np.ndarray
    cov2_each: np.ndarray


def score_auroc(truth: ArrayLike, ratings: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return each reader's AUROC with each treatment, and their covariance.

    DeLong, DeLong and Clarke-Pearson (1988).

    Args:
        truth: array `(N,)` of 0 and 1.
        ratings: finite floats `(..., 2, R, N)`, higher for the diseased.

    Returns:
        AUROCs `(..., 2, R)` in `[0, 1]`; covariance `(..., 2 R, 2 R)`, treatment by
        treatment.

    Raises:
        errors.InputError: a class has fewer than two cases, or an array is malformed.
    """
    ratings = np.asarray(ratings, dtype=float)
    *shape, num_cases = ratings.shape
    # DeLong's structural components: of each case, its wins over the other class.
    above, below = paired_tests.count_wins(truth, ratings.reshape(-1, num_cases))
    num_positive, num_negative = above.shape[1], below.shape[1]
    aurocs = above.sum(axis=1) / (num_positive * num_negative)
    flat = (*shape[:-2], shape[-2] * shape[-1], -1)
    covariance = _covariance(above.reshape(flat) / num_negative) / num_positive
    covariance += _covariance(below.reshape(flat) / num_positive) / num_negative
    return aurocs.reshape(shape), covariance


def score_proportion(correct: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return proportions of right decisions, as sensitivities, and their covariance.

    Args:
        correct: array `(..., 2, R, M)` of 0 and 1, whether a reader was right, on the
            cases of one class.

    Returns:
        Proportions `(..., 2, R)` in `[0, 1]`; covariance `(..., 2 R, 2 R)`.
    """
    correct = np.asarray(correct, dtype=float)
    *shape, num_cases = correct.shape
    flat = correct.reshape(*shape[:-2], shape[-2] * shape[-1], num_cases)
    return correct.mean(axis=-1), _covariance(flat) / num_cases


def split_errors(covariance: ArrayLike) -> ErrorCovariances:
    """Average a covariance `(..., 2 R, 2 R)` into the parts of the model."""
    covariance = np.asarray(covariance)
    num_scores = covariance.shape[-1]
    # Scores stand treatment by treatment: R of the first, then R of the second.
    treatment, reader = np.divmod(np.arange(num_scores), num_scores // 2)
    same_treatment = treatment[:, None] == treatment
    same_reader = reader[:, None] == reader
    groups = [
        same_treatment & same_reader,
        ~same_treatment & same_reader,
        same_treatment & ~same_reader,
        ~same_treatment & ~same_reader,
    ]
    means = [covariance[..., group].mean(axis=-1) for group in groups]
    each = [groups[2] & (treatment == number) for number in (0, 1)]
    each = [covariance[..., group].mean(axis=-1) for group in each]
    return ErrorCovariances(*means, np.stack(each, axis=-1))


def compare(
    scores: ArrayLike, covariances: ErrorCovariances, design: str = "random"
) -> dict:
    """Test the difference of two treatments (Hillis, Berbaum and Metz, 2008).

    `F = MS(T) / error`, where the error is `MS(TR) + R max(Cov2 - Cov3, 0)` and its
    degrees of freedom are `error^2 / (MS(TR)^2 / (R - 1))`. A negative estimate of
    `Cov2 - Cov3`, which the model excludes, counts as 0.

    Args:
        scores: float `(..., 2, R)`, of each treatment and reader; 2 readers or more.
        covariances: of `split_errors`.
        design: what to generalise to: `"random"`, readers and cases; `"fixed
            readers"`, these readers only (normal theory, `df2` infinite); `"fixed
            cases"`, these cases only (a paired t-test of the readers' scores).

    Returns:
        dict of arrays `(...,)`: `"difference"`, first treatment minus second, `"se"`,
        `"f"`, `"df1"`, `"df2"`, `"p"`, `"ms_treatment"`, `"ms_treatment_reader"`,
        `"denominator"`, and `"ci"` `(..., 2)`. Without any variance `f` is infinite
        and `p` 0, or 0 and 1 where the difference is 0 too.

    Raises:
        errors.InputError: an unknown design, or not two treatments and two readers.
    """
    scores = _check_scores(scores)
    if design not in DESIGNS:
        raise errors.InputError(
            f"`design` must be one of {[*DESIGNS]}. Received: {design!r}"
        )
    num_readers = scores.shape[-1]
    gaps = scores[..., 0, :] - scores[..., 1, :]
    difference = gaps.mean(axis=-1)
    # With two treatments, MS(TR) is half the variance of the readers' differences.
    ms_interaction = gaps.var(axis=-1, ddof=1) / 2
    shared = np.maximum(covariances.cov2 - covariances.cov3, 0)
    if design == "random":
        error = ms_interaction + num_readers * shared
        df2 = _degrees(ms_interaction, shared, num_readers)
    elif design == "fixed readers":
        error = covariances.variance - covariances.cov1 + (num_readers - 1) * shared
        error = np.maximum(error, 0)
        df2 = np.full_like(error, np.inf)
    else:
        error, df2 = ms_interaction, np.full_like(ms_interaction, num_readers - 1.0)
    se = np.sqrt(2 * error / num_readers)
    ms_treatment = num_readers * difference**2 / 2
    return {
        "difference": difference,
        "se": se,
        "ms_treatment": ms_treatment,
        "ms_treatment_reader": ms_interaction,
        "denominator": error,
        "f": _divide(difference, se) ** 2,
        "df1": 1,
        "df2": df2,
        "p": 2 * stats.t.sf(np.abs(_divide(difference, se)), df2),
        "ci": _interval(difference, se, df2),
    }


def average(scores: ArrayLike, covariances: ErrorCovariances) -> dict:
    """Return each treatment's mean over readers with its own 95 % interval.

    From that treatment's readings alone, as for a new reader and a new case: variance
    `(MS(R) + R max(Cov2, 0)) / R`, degrees of freedom as in `compare`.

    Returns:
        dict of arrays: `"mean"`, `"se"` and `"df"` `(..., 2)`, `"ci"` `(..., 2, 2)`,
        which may reach over 1.
    """
    scores = _check_scores(scores)
    num_readers = scores.shape[-1]
    ms_readers = scores.var(axis=-1, ddof=1)
    shared = np.maximum(covariances.cov2_each, 0)
    error = ms_readers + num_readers * shared
    df = _degrees(ms_readers, shared, num_readers)
    se = np.sqrt(error / num_readers)
    mean = scores.mean(axis=-1)
    return {"mean": mean, "se": se, "df": df, "ci": _interval(mean, se, df)}


def analyse(scores: ArrayLike, covariance: ArrayLike) -> dict:
    """Analyse one study in full.

    Args:
        scores: float `(2, R)`, as of `score_auroc` or `score_proportion`.
        covariance: float `(2 R, 2 R)`.

    Returns:
        dict of floats and lists: that of `compare` for readers and cases in general
        (what is infinite is None, as in JSON); `"each"`, the scores;
        `"each_se"`, their standard errors over cases; `"means"`, of `average`;
        `"error_variance"`, `"cov1"`, `"cov2"`, `"cov3"`; `"designs"`, the other tests.
    """
    covariances = split_errors(covariance)
    deviations = np.sqrt(np.diagonal(covariance)).reshape(np.shape(scores))
    found = {
        **compare(scores, covariances),
        "each": np.asarray(scores),
        "each_se": deviations,
        "means": average(scores, covariances),
        "error_variance": covariances.variance,
        **{name: getattr(covariances, name) for name in ("cov1", "cov2", "cov3")},
        "designs": {
            design: compare(scores, covariances, design)
            for design in ("fixed readers", "fixed cases")
        },
    }
    return _to_plain(found)


def _to_plain(value):
    """Turn arrays into lists for JSON, which has no infinity: it becomes None."""
    if isinstance(value, dict):
        return {name: _to_plain(part) for name, part in value.items()}
    return np.where(np.isfinite(value), value, None).tolist()


def _check_scores(scores: ArrayLike) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim < 2 or scores.shape[-2] != 2 or scores.shape[-1] < 2:
        raise errors.InputError(
            "`scores` must be of two treatments and two readers or more, "
            f"`(..., 2, R)`. Received: shape {scores.shape}"
        )
    return scores


def _covariance(values: np.ndarray) -> np.ndarray:
    """Return the covariances `(..., K, K)` of rows `(..., K, M)`."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred @ np.swapaxes(centred, -1, -2) / (values.shape[-1] - 1)


def _degrees(mean_square, shared, num_readers: int) -> np.ndarray:
    """Return Hillis' degrees of freedom of `mean_square + R shared`."""
    return (num_readers - 1) * (1 + _divide(num_readers * shared, mean_square)) ** 2


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; over nothing, 0 stays 0 and all else is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(part == 0, 0.0, np.divide(part, whole))


def _interval(centre: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return `(..., 2)`, the interval that covers `1 - ALPHA`."""
    reach = np.where(se > 0, stats.t.ppf(1 - ALPHA / 2, df), 0) * se
    return np.stack([centre - reach, centre + reach], axis=-1)
