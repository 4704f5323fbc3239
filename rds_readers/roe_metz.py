"""Simulated readings by the model of Roe and Metz (1997), many studies at once.

What reader `j` feels of case `k` of class `t` with treatment `i` is
`mu_it + R_jt + TR_ijt + C_kt + TC_ikt + RC_jkt + E_ijkt`: independent normal effects
whose variances are the parameters. Roe and Metz let the last four add up to 1. The
disease adds `separation_i` to the mean. A rating is monotone in the feeling, and AUROC
is a matter of order, so the feeling itself is returned.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from rds_readers import mrmc
from rds_tf import errors

BLOCK = 2**22  # ratings held at once


class Variances(NamedTuple):
    """Variances of the effects, all >= 0.

    Attributes:
        reader, treatment_reader: of a reader's skill, and of what a treatment changes.
        case, treatment_case: of a case's difficulty, and of what a treatment changes.
        reader_case: of how one reader takes one case.
        error: of what no repetition brings back.
    """

    reader: float
    treatment_reader: float
    case: float
    treatment_case: float
    reader_case: float
    error: float

    @property
    def total(self) -> float:
        """Variance of the difference of a diseased and another case's feelings."""
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
        ValueError: no variances >= 0 have such correlations.
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
    """Raise ValueError unless all AUROCs lie between 0 and 1, themselves excluded."""
    if not all(0 < auroc < 1 for auroc in aurocs):
        raise errors.InputError(
            f"AUROCs must lie between 0 and 1. Received: {[*aurocs]}."
        )


def simulate(
    variances: Variances,
    aurocs: tuple[float, float],
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
    for separation, count in zip(
        (np.zeros(2), separate(variances, aurocs)), num_cases, strict=True
    ):
        sizes = [  # studies, treatments, readers, cases: 1 where an effect is shared
            (num_studies, 1, num_readers, 1),
            (num_studies, 2, num_readers, 1),
            (num_studies, 1, 1, count),
            (num_studies, 2, 1, count),
            (num_studies, 1, num_readers, count),
            (num_studies, 2, num_readers, count),
        ]
        effects = [
            np.sqrt(variance) * generator.standard_normal(size)
            for variance, size in zip(variances, sizes, strict=True)
        ]
        ratings.append(separation[:, None, None] + sum(effects))
    return np.repeat([0, 1], num_cases), np.concatenate(ratings, axis=-1)


def simulate_rejections(
    variances: Variances,
    aurocs: tuple[float, float],
    num_readers: int,
    num_cases: tuple[int, int],
    num_studies: int,
    seed: int = 0,
    alpha: float = 0.05,
    tick=lambda count: None,
) -> float:
    """Return the share of simulated studies whose test rejects "no difference".

    With equal AUROCs it is the error of the first kind, else the power.

    Args:
        variances, aurocs, num_readers, num_cases, num_studies: as for `simulate`.
        seed: int.
        alpha: level of the two-sided test.
        tick: called with the number of studies done, as `tqdm(...).update`.
    """
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK // (2 * num_readers * sum(num_cases)))
    rejected = 0
    for start in range(0, num_studies, block):
        size = min(block, num_studies - start)
        truth, ratings = simulate(
            variances, aurocs, num_readers, num_cases, size, generator
        )
        scores, covariance = mrmc.score_auroc(truth, ratings)
        found = mrmc.compare(scores, mrmc.split_errors(covariance))
        rejected += int((found["p"] < alpha).sum())
        tick(size)
    return rejected / num_studies
