"""How many readers and cases: power of a study by formula, checked by simulation.

Power of the test of `mrmc.compare` by Hillis, Obuchowski and Berbaum (2011). What it
needs to know of readers and cases follows from a Roe-Metz model by the exact relation
of Hillis (2018), so that formula and simulation share the model but no arithmetic.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from rds_readers import mrmc, roe_metz
from rds_tf import errors

NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)
MAX_RATIO = 1000


class Parameters(NamedTuple):
    """Parameters of the Obuchowski-Rockette model of AUROC, all variances.

    Attributes:
        reader: of the readers' true AUROCs, common to both treatments.
        treatment_reader: of the change in a reader's true AUROC with the treatment.
        error, cov1, cov2, cov3: of the errors over cases, as `mrmc.ErrorCovariances`.
    """

    reader: float
    treatment_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float


def convert(
    variances: roe_metz.Variances,
    aurocs: tuple[float, float],
    num_cases: tuple[int, int],
) -> Parameters:
    """Convert a Roe-Metz model to the parameters of its AUROCs (Hillis, 2018).

    A pair of cases is in the right order or not. Two such outcomes are two halves of a
    bivariate normal, correlated by what they share: reader, treatment, cases. The
    covariance of two AUROCs averages them over all pairs of pairs.

    Args:
        variances: of the effects.
        aurocs: expected with both treatments; parameters are means over them.
        num_cases: without and with the disease.
    """
    points = stats.norm.ppf(aurocs)
    reader, treatment_reader, case, treatment_case, reader_case, _ = variances
    both, total = reader + treatment_reader, variances.total
    own = total / 2 - both  # of one case, all its effects
    common = quadrant_gain(*points, 0, 2 * reader / total)
    each = np.mean([quadrant_gain(one, one, 0, 2 * both / total) for one in points])
    covary = partial(_error_covariance, points, num_cases)
    return Parameters(
        reader=common,
        treatment_reader=float(each - common),
        error=covary(True, both / total, own / total),
        cov1=covary(False, reader / total, (case + reader_case) / total),
        cov2=covary(True, 0, (case + treatment_case) / total),
        cov3=covary(False, 0, case / total),
    )


def quadrant_gain(first: float, second: float, low: float, high: float) -> float:
    """Return `P(X <= first, Y <= second)` at correlation `high` minus that at `low`.

    `X` and `Y` are standard normal. The derivative by the correlation is their joint
    density (Plackett, 1954), integrated over the arc sine of the correlation (Drezner
    and Wesolowsky, 1990) by Gauss and Legendre.
    """
    start, stop = np.arcsin(np.clip([low, high], -1, 1))
    angle = (start + stop) / 2 + (stop - start) / 2 * NODES
    squares = first**2 + second**2 - 2 * first * second * np.sin(angle)
    density = np.exp(-squares / (2 * np.cos(angle) ** 2)) / (2 * np.pi)
    return float((stop - start) / 2 * WEIGHTS @ density)


def _error_covariance(
    points, num_cases, same_treatment: bool, of_readers: float, of_case: float
) -> float:
    """Return the covariance of two AUROCs over cases, given their readers.

    Args:
        points: normal quantiles of both expected AUROCs.
        num_cases: without and with the disease.
        same_treatment: whether both are of one treatment; then the mean over both.
        of_readers: proportion of the total variance in the readers' common effects.
        of_case: proportion in the common effects of one case.
    """
    pairs = [(one, one) for one in points] if same_treatment else [tuple(points)]
    low, num_pairs = 2 * of_readers, num_cases[0] * num_cases[1]
    total = 0.0
    for pair in pairs:  # pairs of pairs of cases share one case, or both
        one = quadrant_gain(*pair, low, low + of_case)
        both = quadrant_gain(*pair, low, low + 2 * of_case)
        total += both + (sum(num_cases) - 2) * one
    return total / (num_pairs * len(pairs))


def spread_readers(
    variances: roe_metz.Variances, auroc: float, common: float, changed: float
) -> roe_metz.Variances:
    """Return the variances at which the readers' true AUROCs spread so much.

    Args:
        variances: whose variances of cases and errors stay.
        auroc: expected AUROC, about which the readers spread.
        common: standard deviation over readers of what is common to both treatments.
        changed: standard deviation of what one treatment changes.

    Raises:
        errors.InputError: no readers spread so much about this AUROC.
    """
    if min(common, changed) < 0:
        raise errors.InputError(
            "Standard deviations of readers must be 0 or more. Received: "
            f"{common:g} and {changed:g}."
        )
    point, correlations = stats.norm.ppf(auroc), []
    for variance in (common**2, common**2 + changed**2):
        # The correlation of two latent differences by which AUROCs vary that much.
        def miss(correlation, variance=variance):
            return quadrant_gain(point, point, 0, correlation) - variance

        if miss(0.9) < 0:
            raise errors.InputError(
                f"Readers cannot spread by {common:g} and {changed:g} about an AUROC "
                f"of {auroc:g}."
            )
        correlations.append(optimize.brentq(miss, 0, 0.9, xtol=1e-14))
    half = sum(variances[2:]) / (1 - correlations[1])
    reader = correlations[0] * half
    return variances._replace(
        reader=reader, treatment_reader=max(correlations[1] * half - reader, 0.0)
    )


def fit_pilot(
    found: Parameters, aurocs: tuple[float, float], num_cases: tuple[int, int]
) -> roe_metz.Variances:
    """Return the Roe-Metz model whose AUROCs vary as those of a pilot study did.

    It spreads readers as `found` does, and correlates the errors so; the size of the
    errors follows from AUROC and cases. What no model can have, as a negative variance
    or `cov3` over `cov2`, is set to the nearest that one can.

    Args:
        found: estimates of the pilot, as of `estimate`.
        aurocs: its mean AUROCs.
        num_cases: its cases without and with the disease.

    Raises:
        errors.InputError: an AUROC is 0 or 1, or as for `spread_readers`.
    """
    roe_metz.check_aurocs(aurocs)
    common, changed = np.sqrt(np.maximum(found[:2], 0))
    start = roe_metz.Variances(0, 0, 0, 0, 0, 1)
    start = spread_readers(start, float(np.mean(aurocs)), common, changed)
    points, total = stats.norm.ppf(aurocs), start.total
    both = start.reader + start.treatment_reader
    covary = partial(_error_covariance, points, num_cases)
    error = covary(True, both / total, 1 / total)

    def solve(same_treatment: bool, of_readers: float, wanted: float) -> float:
        """Return the variance of one case at which errors correlate as wanted."""

        def miss(of_case):
            found = covary(same_treatment, of_readers / total, of_case / total)
            return found / error - wanted

        if wanted <= 0:
            return 0.0
        return 1.0 if miss(1) <= 0 else optimize.brentq(miss, 0, 1, xtol=1e-14)

    correlations = np.array(found[3:]) / found.error
    neither = solve(False, 0, correlations[2])
    same_reader = max(solve(False, start.reader, correlations[0]), neither)
    same_treatment = max(solve(True, 0, correlations[1]), neither)
    same_treatment = min(same_treatment, 1 - same_reader + neither)
    return roe_metz.set_correlations(start, same_reader, same_treatment, neither)


def estimate(scores: np.ndarray, covariances: mrmc.ErrorCovariances) -> Parameters:
    """Estimate the parameters from one study (Hillis, Obuchowski and Berbaum, 2011).

    Args:
        scores: AUROCs `(2, R)` of `mrmc.score_auroc`.
        covariances: of `mrmc.split_errors`.

    Returns:
        The parameters; those of the readers may be negative.
    """
    mean_square = float(mrmc.compare(scores, covariances)["ms_treatment_reader"])
    shared = max(covariances.cov2 - covariances.cov3, 0)
    changed = mean_square - covariances.variance + covariances.cov1 + shared
    # Over readers, both treatments' scores covary by what is common to them.
    common = np.cov(scores)[0, 1] - covariances.cov1 + covariances.cov3
    return Parameters(*map(float, (common, changed, *covariances[:4])))


def power(parameters: Parameters, num_readers: int, effect: float) -> float:
    """Return the power of the two-sided test at 5 %.

    Hillis, Obuchowski and Berbaum (2011): the F of `mrmc.compare` with its expected
    mean squares, at its non-centrality.

    Args:
        parameters: at the study's number of cases.
        num_readers: int >= 2.
        effect: true difference of the two AUROCs.
    """
    if num_readers < 2:
        raise errors.InputError(
            f"There must be two readers or more. Received: {num_readers}."
        )
    shared = max(parameters.cov2 - parameters.cov3, 0)
    interaction = parameters.treatment_reader + parameters.error - parameters.cov1
    interaction -= shared
    error = interaction + num_readers * shared
    if error <= 0:
        return 1.0  # nothing is left to chance
    least = error / MAX_RATIO  # beyond it more degrees of freedom change nothing
    df2 = (num_readers - 1) * (error / max(interaction, least)) ** 2
    # F is the square of a t; SciPy's noncentral F is wrong without an effect.
    shift = abs(effect) / np.sqrt(2 * error / num_readers)
    bound = stats.t.isf(mrmc.ALPHA / 2, df2)
    return float(stats.nct.sf(bound, df2, shift) + stats.nct.cdf(-bound, df2, shift))
