"""Which masks to distrust, without knowing the truth."""

import numpy as np

from rds_tf.lungs import postprocess

BAD_DICE = 0.8
MIN_QUALITY = (
    0.75  # nine in ten good masks of phantoms: benchmarks/mask_quality_control.py
)


def mask_quality(mask: np.ndarray, members: np.ndarray) -> float:
    """Score a mask by what the passes behind it say, and by anatomy.

    A network that is sure of the lungs finds them again in a turned film; one that
    guesses does not (Wang et al., Neurocomputing 2019). The score is the product of
    the passes' agreement with the mask, of how sure they are, and of the root of
    `balance`.

    Args:
        mask: `(H, W)` uint8 of {0, 1}, the final mask.
        members: `(P, H, W)` float32 in `[0, 1]`, probabilities of single passes.

    Returns:
        float in `[0, 1]`, 0 for an empty mask.
    """
    if not mask.any():
        return 0.0
    agreement = np.mean([_dice(mask, member > 0.5) for member in members])
    sure = np.mean([_sureness(mask, member) for member in members])
    return float(agreement * sure * balance(mask) ** 0.5)


def _dice(mask: np.ndarray, other: np.ndarray) -> float:
    total = mask.sum() + other.sum()
    return 2 * float((mask * other).sum()) / float(total)


def _sureness(mask: np.ndarray, member: np.ndarray) -> float:
    """Return how far from 0.5 probabilities are where lungs may be, in `[0, 1]`."""
    perhaps = (mask > 0) | (member > 0.05)
    return 2 * float(np.abs(member[perhaps] - 0.5).mean())


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
    """Measure the gate where the truth is known.

    Args:
        dice: `(N,)` of each mask with the truth; below `BAD_DICE` it is bad.
        quality: `(N,)` from `mask_quality`.

    Returns:
        `"num_bad"` and `"num_good"` masks; `"caught"`, the share of the bad ones below
        `MIN_QUALITY`, and `"false_alarms"`, that of the good ones; and
        `"caught_at_10"`, the share that is caught where a tenth of the good ones is
        flagged. Shares of nothing are None.
    """
    bad, good = quality[dice < BAD_DICE], quality[dice >= BAD_DICE]

    def share(values, limit):
        return float((values < limit).mean()) if len(values) else None

    tenth = np.quantile(good, 0.1) if len(good) else None
    return {
        "bad_dice": BAD_DICE,
        "num_bad": len(bad),
        "num_good": len(good),
        "caught": share(bad, MIN_QUALITY),
        "false_alarms": share(good, MIN_QUALITY),
        "caught_at_10": share(bad, tenth) if len(good) else None,
    }


def mask_warnings(mask: np.ndarray, quality: float = 1.0) -> list[str]:
    """Say what is implausible about a lung mask, one sentence a finding.

    Two lungs are expected, neither more than twice the other (LungAIR's rule), that
    together cover 3 to 60 % of the film and that every pass of the network finds.

    Args:
        mask: `(H, W)` uint8 of {0, 1}.
        quality: float in `[0, 1]` from `mask_quality`.
    """
    areas = postprocess.lung_areas(mask)
    if not areas:
        return ["No lung was found."]
    warnings = []
    share = sum(areas) / mask.size
    if not 0.03 <= share <= 0.6:
        warnings.append(f"The lungs cover {share:.0%} of the film, expected 3 to 60 %.")
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
