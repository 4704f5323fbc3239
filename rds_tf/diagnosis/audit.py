"""Does a classifier owe its answer to something that is not the disease?

For every film two versions are made that differ in one nuisance and nothing else, with
a control of the same kind, and the logits are compared within the film. The tube is the
nuisance of the study; the film's shape and its brightness are audited the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from rds_tf import metrics
from rds_tf.diagnosis import tubes

LIMIT = 0.2  # a small effect (Cohen, 1988), in standard deviations of the logit


@dataclass(frozen=True)
class Case:
    """One film under audit.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`.
        mask: `(H, W)` uint8 of {0, 1}, its lungs.
        tube: `(H, W)` uint8 of {0, 1}, its endotracheal tube, empty without one.
        label: 0 or 1.
        patient_id: str.
    """

    image: np.ndarray
    mask: np.ndarray
    tube: np.ndarray
    label: int
    patient_id: str


@dataclass(frozen=True)
class Nuisance:
    """Something on a film that should not matter.

    Attributes:
        name: what a reader calls it.
        value: its value in a case, such as 1 where there is a tube.
        vary: case and seed to lists of films with and without it. Their mean logits
            are compared, so that one control can be several films.
    """

    name: str
    value: Callable[[Case], float]
    vary: Callable[[Case, int], tuple[list[np.ndarray], list[np.ndarray]]]


def vary_tube(case: Case, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return versions of a film with an endotracheal tube, and without one.

    Where there is a tube it is cut out, and for the films with it, patches of the same
    shape are cut out elsewhere; where there is none, one is drawn into the airway,
    and for the film without, over a lung.
    """
    if not case.tube.any():
        drawn, _ = tubes.insert(case.image, case.mask, seed)
        aside, _ = tubes.insert(case.image, case.mask, seed, aside=True)
        return [drawn], [aside]
    controls = tubes.move_aside(case.tube, case.mask)
    spared = [tubes.remove(case.image, control, seed) for control in controls]
    return spared or [case.image], [tubes.remove(case.image, case.tube, seed)]


def vary_ratio(case: Case, ratios: tuple[float, float]):
    """Return a film cropped to two ratios of height to width.

    Args:
        case: the film.
        ratios: typical of the positives, and of the negatives.

    Returns:
        Lists of one film each.
    """
    return tuple([crop_to_ratio(case.image, ratio)] for ratio in ratios)


def crop_to_ratio(image: np.ndarray, ratio: float) -> np.ndarray:
    """Crop a film `(H, W)` about its centre to a ratio of height to width.

    What is cropped is blackened, not cut off, where it would shift the coordinates:
    the film keeps its size, a box of the given ratio stays exposed.
    """
    height, width = image.shape
    tall, wide = min(height, round(width * ratio)), min(width, round(height / ratio))
    top, left = (height - tall) // 2, (width - wide) // 2
    cropped = np.zeros_like(image)
    cropped[top : top + tall, left : left + wide] = image[
        top : top + tall, left : left + wide
    ]
    return cropped


def vary_brightness(case: Case, seed: int):
    """Return a film of more and of less exposure (gamma 0.8 and 1.25)."""
    return [case.image**0.8], [case.image**1.25]


def list_nuisances(cases: list[Case]) -> dict[str, Nuisance]:
    """Return the nuisances that can be varied on these films, by their short names."""

    def ratio(case):
        return case.image.shape[0] / case.image.shape[1]

    typical = tuple(
        float(np.median([ratio(case) for case in cases if case.label == label] or [1]))
        for label in (1, 0)
    )
    return {
        "tube": Nuisance(
            "endotracheal tube", lambda case: float(case.tube.any()), vary_tube
        ),
        "ratio": Nuisance(
            "height-to-width ratio of the film",
            ratio,
            lambda case, seed: vary_ratio(case, typical),
        ),
        "brightness": Nuisance(
            "brightness of the film",
            lambda case: float(case.image.mean()),
            vary_brightness,
        ),
    }


def build_predict(cases: list[Case], cut, ask) -> Callable:
    """Build the `predict` of `probe` for a network.

    Args:
        cases: the films under audit.
        cut: `(image, mask) -> (S, S)`, what the network sees of a film through the
            lungs of its case.
        ask: `(B, S, S, 1) -> logits (B,)` or `(B, 1)`.
    """

    def predict(images, owners):
        pairs = zip(images, owners, strict=True)
        squares = np.stack([cut(image, cases[i].mask) for image, i in pairs])
        return np.ravel(ask(squares[..., None]))

    return predict


def probe(predict, cases: list[Case], nuisance: Nuisance, seed: int = 0):
    """Ask a classifier about every film as it is, with the nuisance and without.

    Args:
        predict: `(images, indices) -> logits (K,)`, films and the places of their
            cases in `cases`.
        cases: the films.
        nuisance: what to vary.
        seed: int.

    Returns:
        DataFrame, one row a case: `label`, `patient_id`, `value` of the nuisance, and
        the logits `as_taken`, `present` and `absent`.
    """
    images, owners, versions = [], [], []
    for index, case in enumerate(cases):
        present, absent = nuisance.vary(case, seed + index)
        for version, films in enumerate(([case.image], present, absent)):
            images += films
            owners += [index] * len(films)
            versions += [version] * len(films)
    logits = pd.Series(predict(images, np.array(owners)))
    means = logits.groupby([owners, versions]).mean().unstack()
    means.columns = ["as_taken", "present", "absent"]
    return means.assign(
        label=[case.label for case in cases],
        patient_id=[case.patient_id for case in cases],
        value=[nuisance.value(case) for case in cases],
    )


def judge(probes: pd.DataFrame, threshold: float = 0.0, seed: int = 0) -> dict:
    """Judge what a classifier makes of a nuisance.

    Args:
        probes: from `probe`.
        threshold: float, the logit from which on the decision is positive.
        seed: int, of the bootstrap over patients.

    Returns:
        `"num_cases"`; `"effect"`, the mean change of the logit by the nuisance in
        standard deviations of the logits as taken, with its interval; `"logits"`,
        the same in logits; `"flips"`, the share of cases whose decision it turns;
        `"alone"`, the AUROC of the nuisance's value alone; `"auroc"` of the model as
        taken, and with the nuisance everywhere (`"auroc_present"`) and nowhere
        (`"auroc_absent"`); `"groups"`, AUROC where the value is high and where it is
        low, `"gap"` between them; and `"alarm"`, True if the effect is beyond
        `LIMIT` with its whole interval.
    """
    labels, patients = probes["label"].to_numpy(), probes["patient_id"].to_numpy()
    if len(set(patients)) < 2:
        raise ValueError("An audit needs films of two patients at least.")
    change = (probes["present"] - probes["absent"]).to_numpy()
    scale = float(probes["as_taken"].std()) or 1.0
    effect = metrics.bootstrap_interval(change / scale, patients, seed=seed)
    low, high = effect["low"], effect["high"]
    flips = (probes["present"] >= threshold) != (probes["absent"] >= threshold)
    value = probes["value"].to_numpy()
    upper = value > np.median(value) if len(np.unique(value)) > 2 else value > 0.5
    groups = [_auroc(probes[where]) for where in (upper, ~upper)]
    return {
        "num_cases": len(probes),
        "effect": effect,
        "logits": metrics.bootstrap_interval(change, patients, seed=seed),
        "flips": metrics.bootstrap_interval(flips.astype(float), patients, seed=seed),
        "alone": _auroc_of(labels, value),
        "auroc": _auroc(probes),
        "auroc_present": _auroc(probes, "present"),
        "auroc_absent": _auroc(probes, "absent"),
        "groups": groups,
        "gap": None if None in groups else groups[0] - groups[1],
        "alarm": bool(low is not None and (low > LIMIT or high < -LIMIT)),
    }


def _auroc(probes: pd.DataFrame, column: str = "as_taken") -> float | None:
    return _auroc_of(probes["label"].to_numpy(), probes[column].to_numpy())


def _auroc_of(labels: np.ndarray, values: np.ndarray) -> float | None:
    """Return the AUROC of any values, None where there is one class only."""
    both = len(np.unique(labels)) == 2
    return float(sklearn_metrics.roc_auc_score(labels, values)) if both else None


def state_verdict(result: dict, nuisance: str) -> str:
    """Say in plain words what `judge` found."""
    effect, flips = result["effect"], result["flips"]["value"]
    amount = f"{effect['value']:+.2f} ({effect['low']:+.2f} to {effect['high']:+.2f})"
    if result["alarm"]:
        return (
            f"Alarm. The {nuisance} alone moves the model's answer by {amount} "
            f"standard deviations and turns {flips:.0%} of the decisions. Do not trust "
            "this model where that differs between patients."
        )
    return (
        f"No alarm. The {nuisance} alone moves the model's answer by {amount} standard "
        f"deviations and turns {flips:.0%} of the decisions; the alarm needs the whole "
        f"interval beyond {LIMIT}. What this audit does not vary can still mislead."
    )
