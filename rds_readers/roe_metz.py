"""Simulated readings by the model of Roe and Metz (1997), many studies at once.

The latent rating of case `k` of class `t` by reader `j` with treatment `i` is
`mu_it + R_jt + TR_ijt + C_kt + TC_ikt + RC_jkt + E_ijkt`: independent normal effects
whose variances are the parameters. Roe and Metz let the last four add up to 1. The
disease adds `separation_i` to the mean. A reader's rating is monotone in the latent
one, and AUROC is a matter of order, so the latent ratings are analysed as they are.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from rds_readers import mrmc
from rds_tf import errors

BLOCK = 2**22  # ratings in memory at once


class Variances(NamedTuple):
    """Variances of the effects, all >= 0.

    Attributes:
        reader: of the readers' skill.
        treatment_reader: of the change in skill with the treatment.
        case: of the cases' difficulty.
        treatment_case: of the change in difficulty with the treatment.
        reader_case: of how one reader rates one case, with either treatment.
        error: of what is left, treatment by reader by case included.
    """

    reader: float
    treatment_reader: float
    case: float
    treatment_case: float
    reader_case: float
    error: float

    @property
    def total(self) -> float:
        """Variance of the difference of latent ratings, diseased minus other."""
        return 2 * sum(self)


# Roe and Metz (1997), table 1: correlation of the data high or low, variance of the
# readers high or low (the high one is theirs for an AUROC of 0.855).
STRUCTURES = {
    "HL": Variances(0.0055, 0.0055, 0.3, 0.3, 0.2, 0.2),
    "LL": Variances(0.0055, 0.0055, 0.1, 0.1, 0.2, 0.6),
    "HH": Variances(0.03, 0.03, 0.3, 0.3, 0.2, 0.2),
    "LH": Variances(0.03, 0.03, 0.1, 0.1, 0.2, 0.6),
}


def set_correlations(
    variances: Variances, same_reader: float, same_treatment: float, neither: float
) -> Variances:
    """Return the variances with other correlations of ratings of one case.

    Args:
        variances: whose reader variances are kept.
        same_reader: correlation of one reader's ratings with both treatments.
        same_treatment: of two readers' ratings with one treatment.
        neither: of two readers' ratings, each with another treatment.

    Raises:
        errors.InputError: no variances >= 0 have such correlations.
    """
    rest = 1 - same_reader - same_treatment + neither
    parts = neither, same_treatment - neither, same_reader - neither, rest
    if min(parts) < -1e-12:
        raise errors.InputError(
            "The correlations must satisfy 0 <= neither <= same reader and same "
            "treatment, and same reader + same treatment - neither <= 1. Received: "
            f"{same_reader:g}, {same_treatment:g} and {neither:g}."
        )
    return Variances(*variances[:2], *(max(part, 0.0) for part in parts))


def separate(variances: Variances, aurocs: tuple[float, float]) -> np.ndarray:
    """Return the separations `(2,)` at which readers have these AUROCs on average."""
    check_aurocs(aurocs)
    return np.sqrt(variances.total) * stats.norm.ppf(aurocs)


def check_aurocs(aurocs: tuple[float, float]) -> None:
    """Raise `errors.InputError` unless all AUROCs lie between 0 and 1, excluded."""
    if not all(0 < auroc < 1 for auroc in aurocs):
        raise errors.InputError(
            f"AUROCs must lie between 0 and 1. Received: {[*aurocs]}."
        )


def simulate(
    variances: Variances,
    aurocs: tuple[float, float],
    *,
    num_readers: int,
    num_cases: tuple[int, int],
    num_studies: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate studies, each with readers and cases of its own.

    Args:
        variances: of the effects.
        aurocs: expected with the first and the second treatment, in `(0, 1)`.
        num_readers: int.
        num_cases: without and with the disease.
        num_studies: int, `S`.
        generator: of the random numbers.

    Returns:
        Truth `(N,)` of 0 and 1, and ratings `(S, 2, R, N)`.
    """
    ratings = []
    separations = np.zeros(2), separate(variances, aurocs)
    for separation, count in zip(separations, num_cases, strict=True):
        shapes = [  # treatments, readers, cases: 1 where an effect is shared
            (1, num_readers, 1),
            (2, num_readers, 1),
            (1, 1, count),
            (2, 1, count),
            (1, num_readers, count),
            (2, num_readers, count),
        ]
        effects = [
            np.sqrt(variance) * generator.standard_normal((num_studies, *shape))
            for variance, shape in zip(variances, shapes, strict=True)
        ]
        ratings.append(separation[:, None, None] + sum(effects))
    return np.repeat([0, 1], num_cases), np.concatenate(ratings, axis=-1)


def simulate_rejections(
    variances: Variances,
    aurocs: tuple[float, float],
    *,
    num_readers: int,
    num_cases: tuple[int, int],
    num_studies: int,
    seed: int = 0,
    update: Callable[[int], object] = lambda count: None,
) -> float:
    """Return the proportion of simulated studies that reject "no difference" at 5 %.

    With equal AUROCs it is the error of the first kind, else the power.

    Args:
        variances, aurocs, num_readers, num_cases, num_studies: as for `simulate`.
        seed: int.
        update: called with the number of studies done, as `tqdm(...).update`.
    """
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK // (2 * num_readers * sum(num_cases)))
    rejected = 0
    for start in range(0, num_studies, block):
        count = min(block, num_studies - start)
        truth, ratings = simulate(
            variances,
            aurocs,
            num_readers=num_readers,
            num_cases=num_cases,
            num_studies=count,
            generator=generator,
        )
        scores, covariance = mrmc.score_auroc(truth, ratings)
        found = mrmc.compare(scores, mrmc.split_errors(covariance))
        rejected += int((found["p"] < mrmc.ALPHA).sum())
        update(count)
    return rejected / num_studies
