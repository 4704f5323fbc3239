"""Mask quality control: which masks to distrust, without knowing the truth."""

import numpy as np

from rds_tf.lungs import postprocess
from rds_tf.stats import metrics

BAD_DICE = 0.8  # with the truth, where it is known
# Nine in ten good masks of phantoms pass: benchmarks/mask_quality_control.py.
MIN_QUALITY = 0.75


def mask_quality(mask: np.ndarray, predictions: np.ndarray) -> float:
    """Score a mask by the predictions that it was made of, and by anatomy.

    A network that is sure of the lungs finds them again in a turned image; one that
    guesses does not. So the spread of test-time augmentation tells good masks from bad
    ones (Wang et al., Neurocomputing 2019). The score is the product of the mean Dice
    of the predictions with the mask, of how certain they are, and of the root of
    `balance`.

    Args:
        mask: `(H, W)` uint8 of {0, 1}, the final mask.
        predictions: `(P, H, W)` float32 in `[0, 1]`, lung probabilities of each
            test-time augmentation.

    Returns:
        float in `[0, 1]`, 0 for an empty mask.
    """
    if not mask.any():
        return 0.0
    agreement = np.mean([metrics.dice(mask, one > 0.5) for one in predictions])
    certainty = np.mean([_certainty(mask, one) for one in predictions])
    return float(agreement * certainty * balance(mask) ** 0.5)


def _certainty(mask: np.ndarray, prediction: np.ndarray) -> float:
    """Return how far from 0.5 probabilities are where lungs may be, in `[0, 1]`."""
    # Elsewhere every network is certain, and the average would say nothing.
    perhaps = (mask > 0) | (prediction > 0.05)
    return 2 * float(np.abs(prediction[perhaps] - 0.5).mean())


def balance(mask: np.ndarray) -> float:
    """Return 1 for two lungs, neither more than twice the other, else less.

    The bound is that of LungAIR; beyond it the score falls with the ratio of areas,
    to 0.5 for one lung alone or two that run together.
    """
    areas = postprocess.lung_areas(mask)
    if len(areas) < 2:
        return 0.5
    return min(1.0, max(0.5, 2 * areas[1] / areas[0]))


def judge_quality(dice: np.ndarray, quality: np.ndarray) -> dict:
    """Measure mask quality control where the truth is known.

    Args:
        dice: `(N,)` of each mask with the truth; below `BAD_DICE` it is bad.
        quality: `(N,)` from `mask_quality`.

    Returns:
        `"num_bad"` and `"num_good"` masks; `"caught"`, the proportion of bad ones
        below `MIN_QUALITY`, and `"false_alarms"`, that of good ones; `"caught_at_10"`,
        the proportion of bad ones that is caught where a tenth of the good ones is
        flagged. Proportions of nothing are None.
    """
    bad, good = quality[dice < BAD_DICE], quality[dice >= BAD_DICE]

    def proportion_below(limit, values):
        return float((values < limit).mean()) if len(values) else None

    # Where all masks are bad no limit flags a tenth of the good ones.
    tenth = proportion_below(np.quantile(good, 0.1), bad) if len(good) else None
    return {
        "bad_dice": BAD_DICE,
        "num_bad": len(bad),
        "num_good": len(good),
        "caught": proportion_below(MIN_QUALITY, bad),
        "false_alarms": proportion_below(MIN_QUALITY, good),
        "caught_at_10": tenth,
    }


def mask_warnings(mask: np.ndarray, quality: float = 1.0) -> list[str]:
    """Say what is implausible about a lung mask, one sentence for each finding.

    Two lungs are expected, neither more than twice the other (LungAIR's rule), that
    together cover 3 to 60 % of the image and that every prediction finds again.

    Args:
        mask: `(H, W)` uint8 of {0, 1}.
        quality: float in `[0, 1]` from `mask_quality`.
    """
    areas = postprocess.lung_areas(mask)
    if not areas:
        return ["No lung was found."]
    warnings = []
    covered = sum(areas) / mask.size
    if not 0.03 <= covered <= 0.6:
        warnings.append(
            f"The lungs cover {covered:.0%} of the film, expected 3 to 60 %."
        )
    if len(areas) == 1:
        warnings.append("Only one lung was found, or both run together.")
    elif areas[0] > 2 * areas[1]:
        warnings.append("One lung is more than twice as large as the other.")
    if quality < MIN_QUALITY:
        warnings.append(
            f"The lung mask may be wrong: its quality is {quality:.2f}, "
            f"expected at least {MIN_QUALITY:.2f}."
        )
    return warnings
