"""What readers decided: how often right, how far agreed, what changed, how fast."""

import itertools

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics as sklearn_metrics

from rds_readers import mrmc, readings
from rds_tf.stats import metrics


def score_decisions(truth: ArrayLike, decisions: ArrayLike) -> dict[str, dict]:
    """Analyse sensitivity and specificity as `mrmc.analyse` does AUROC.

    Args:
        truth: array `(N,)` of 0 and 1.
        decisions: array `(2, R, N)` of 0 and 1, by treatment, reader and case.

    Returns:
        `"sensitivity"` and `"specificity"`, each a dict of `mrmc.analyse`.

    Raises:
        errors.InputError: there are not two treatments and two readers or more.
    """
    truth, decisions = np.asarray(truth, bool), np.asarray(decisions, bool)
    correct = {
        "sensitivity": decisions[..., truth],
        "specificity": ~decisions[..., ~truth],
    }
    return {
        name: mrmc.analyse(*mrmc.score_proportion(each))
        for name, each in correct.items()
    }


def count_changes(truth: ArrayLike, decisions: ArrayLike) -> list[dict[str, int]]:
    """Count each reader's changes of mind between the two treatments.

    Args:
        truth, decisions: as for `score_decisions`; treatment 0 comes first.

    Returns:
        A dict a reader: `"better"`, wrong with the first treatment and right with the
        second; `"worse"`, the other way; `"stayed_right"` and `"stayed_wrong"`; and
        the first two apart for the diseased and the others, as `"better_positive"`,
        `"better_negative"`, `"worse_positive"`, `"worse_negative"`.
    """
    truth = np.asarray(truth, bool)
    first, second = np.asarray(decisions, bool) == truth  # whether right, (R, N) each
    better, worse = ~first & second, first & ~second
    groups = {
        "better": better,
        "worse": worse,
        "stayed_right": first & second,
        "stayed_wrong": ~first & ~second,
        "better_positive": better & truth,
        "better_negative": better & ~truth,
        "worse_positive": worse & truth,
        "worse_negative": worse & ~truth,
    }
    counts = {name: group.sum(axis=1).tolist() for name, group in groups.items()}
    return [
        dict(zip(counts, each, strict=True))
        for each in zip(*counts.values(), strict=True)
    ]


def measure_agreement(
    decisions: ArrayLike, num_resamples: int = 2000, seed: int = 0
) -> dict:
    """Measure how far readers agree beyond chance, with one treatment.

    Args:
        decisions: array `(R, N)` of 0 and 1, two readers or more.
        num_resamples, seed: of the bootstrap over cases, for `"fleiss"`.

    Returns:
        `"cohen"`, the mean kappa of all pairs of readers (Cohen, 1960; the mean as by
        Light, 1971), None where no pair has one; `"fleiss"`, the kappa of all readers
        at once (Fleiss, 1971) with `"value"`, `"low"` and `"high"`, None where all
        decided all cases alike.
    """
    decisions = np.asarray(decisions, int)
    kappas = [
        sklearn_metrics.cohen_kappa_score(*pair)
        for pair in itertools.combinations(decisions, 2)
        if len(np.unique(pair)) > 1  # else chance alone explains all: 0 / 0
    ]
    num_readers, num_cases = decisions.shape
    # Of each case, the proportion of ordered pairs of readers that decide alike.
    votes = decisions.sum(axis=0)
    against = num_readers - votes
    alike = votes * (votes - 1) + against * (against - 1)
    alike = alike / (num_readers * (num_readers - 1))

    def fleiss(weights):
        """Return kappa for each row of case weights, `(B, N)`: one a resample."""
        num_drawn = weights.sum(axis=1)
        positive = weights @ votes / (num_readers * num_drawn)
        chance = positive**2 + (1 - positive) ** 2
        gain = weights @ alike / num_drawn - chance
        varies = (positive > 0) & (positive < 1)
        undefined = np.full(len(weights), np.nan)
        return np.divide(gain, 1 - chance, out=undefined, where=varies)

    groups = np.arange(num_cases)
    found = metrics.intervals({"fleiss": fleiss}, groups, num_resamples, seed)
    return {"cohen": float(np.mean(kappas)) if kappas else None, **found}


def measure_time(seconds: ArrayLike) -> list[list[float | None]]:
    """Return the median seconds an image of each treatment and reader.

    Args:
        seconds: float `(2, R, N)`, NaN where it was not noted.

    Returns:
        Two lists of `R` medians, None where a reader has no time.
    """
    return [
        [
            float(np.median(each[noted])) if (noted := each >= 0).any() else None
            for each in arm
        ]
        for arm in np.asarray(seconds, float)
    ]


def describe(study: readings.Study) -> dict:
    """Analyse a study in full: `"auroc"`, and what decisions and times allow.

    Returns:
        dict, fit for JSON: `"auroc"` and, where there are decisions, `"sensitivity"`
        and `"specificity"`, each of `mrmc.analyse`; `"changes"` of `count_changes`;
        `"agreement"`, of `measure_agreement` by treatment; `"seconds"` of
        `measure_time`.
    """
    found = {"auroc": mrmc.analyse(*mrmc.score_auroc(study.truth, study.ratings))}
    if study.decisions is not None:
        found |= score_decisions(study.truth, study.decisions)
        found["changes"] = count_changes(study.truth, study.decisions)
        found["agreement"] = [measure_agreement(arm) for arm in study.decisions]
    if study.seconds is not None:
        found["seconds"] = measure_time(study.seconds)
    return found
