"""Does a classifier owe its answer to something that is not the disease?

For every radiograph two versions are made that differ in one nuisance and nothing else,
with a control of the same kind, and their logits are compared. The tube is the nuisance
of the study; the image's shape and its brightness are audited the same way.

`audit_arms` audits the models of a cohort: `probe` collects the logits, `judge` says
what the nuisance does to them.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from rds_tf import errors
from rds_tf.audit import nuisances, tubes
from rds_tf.classification import classifier
from rds_tf.data import annotation, folds
from rds_tf.explanation import grad_cam
from rds_tf.lungs import cropping, segmenter
from rds_tf.stats import metrics
from rds_tf.storage import model_store

LIMIT = 0.2  # a small effect (Cohen, 1988), in standard deviations of the logit
MAX_HEAT = 60  # cases whose heat maps are drawn, for time


def load_cases(
    prepared: str | Path,
    table,
    regions: str | Path | None = None,
    segmenters: list[segmenter.Segmenter] | None = None,
) -> list[nuisances.Case]:
    """Read the images of a cohort with their lungs and their tubes.

    Args:
        prepared: folder written by `prepare`.
        table: rows of its manifest.
        regions: folder of drawn tubes, `<case_id>.png`, white on black and of the
            image's size; a case without a file has no tube. None: no tube is known,
            and one is drawn into every image.
        segmenters: as in `classifier.find_lungs`.

    Raises:
        ValueError: if a drawing is not of its image's size, or there is none at all.
    """
    masks = classifier.predict_masks(prepared, table, segmenters)
    cases = []
    for row, mask in zip(table.itertuples(), masks, strict=True):
        image = classifier.read_case(prepared, row)
        tube = np.zeros(image.shape, "uint8")
        if regions is not None:
            tube = annotation.read_region(regions, row.case_id, image.shape)
        cases.append(nuisances.Case(image, mask, tube, int(row.rds), row.patient_id))
    if regions is not None and not any(case.tube.any() for case in cases):
        raise errors.InputError(
            f"{regions}: no drawing there belongs to a case of the cohort."
        )
    return cases


def audit_arms(prepared, models, nuisance_name: str, cases, table) -> dict:
    """Audit every arm among `models`, classifiers; those of one arm are averaged.

    Args:
        prepared, table: as in `load_cases`, which gave the `cases`.
        nuisance_name: a key of `nuisances.list_nuisances`.

    Returns:
        Arm to `(judged, probes, kept)`: what `judge` found, with the proportions of
        the `"heat"`; its probes; and the indices in `cases` that some model of the
        arm had not seen in training.

    Raises:
        model_store.ModelError: if the models saw every case.
    """
    known = nuisances.list_nuisances(cases)
    if nuisance_name not in known:
        raise errors.InputError(
            f"The nuisance must be one of {', '.join(known)}. "
            f"Received: {nuisance_name!r}"
        )
    arms = {}
    for one in models:
        arms.setdefault(one.arm, []).append(one)
    found = {}
    for arm, members in arms.items():
        seen = [one.manifest["training"]["seen"] for one in members]
        unseen = np.stack([folds.find_unseen(table, each) for each in seen])
        kept = np.flatnonzero(unseen.any(axis=0))
        if not len(kept):
            raise model_store.ModelError(
                f"{prepared}: {arm} saw every case in training."
            )
        chosen, unseen = [cases[index] for index in kept], unseen[:, kept]
        predict = _build_arm_predict(members, unseen, chosen)
        probes = probe(predict, chosen, known[nuisance_name])
        judged = judge(probes) | {"heat": _measure_heat(members, unseen, chosen)}
        found[arm] = judged, probes, kept
    return found


def _build_arm_predict(members, unseen: np.ndarray, cases) -> Callable:
    """Build the `predict` of `probe`: the mean logit of those that are `unseen`."""

    def predict(images, owners):
        pairs = zip(images, owners, strict=True)
        squares = np.stack([_cut(members[0], image, cases[i]) for image, i in pairs])
        total, mine = np.zeros(len(squares)), unseen[:, owners]
        for one, its in zip(members, mine, strict=True):
            if its.any():
                total[its] += classifier.predict_logits(one.model, squares[its])
        return total / mine.sum(axis=0)

    return predict


def _cut(member, image: np.ndarray, case: nuisances.Case) -> np.ndarray:
    """Return what a classifier sees of a version of a case, `(S, S, 1)` float32."""
    size = member.manifest["architecture"]["image_size"]
    name = member.manifest["input"]
    return cropping.cut_input(image, case.mask, name, size)[1][..., None]


def _measure_heat(members, unseen: np.ndarray, cases) -> dict[str, float]:
    """Say which proportions of the Grad-CAM lie on lungs and tube, of tubed cases."""
    proportions = []
    tubed = [index for index, case in enumerate(cases) if case.tube.any()]
    for index in tubed[:MAX_HEAT]:
        case, member = cases[index], members[int(np.argmax(unseen[:, index]))]
        heat = grad_cam.grad_cam(member.model, _cut(member, case.image, case)[None])[0]
        if not heat.any():
            continue
        crop = cropping.choose_crop(case.image, case.mask, member.manifest["input"])
        tube = crop.cut_mask(tubes.widen(case.tube, 2), len(heat))
        # A pixel counts once: where the tube lies over a lung it is tube.
        lungs = crop.cut_mask(case.mask, len(heat)) * (1 - tube)
        on = [(heat * region).sum() / heat.sum() for region in (lungs, tube)]
        proportions.append([*on, 1 - sum(on), tube.mean()])
    if not proportions:
        return {}
    names = ("lungs", "tube", "outside of both", "tube, were the heat even")
    return dict(zip(names, np.mean(proportions, axis=0).tolist(), strict=True))


def build_predict(cases: list[nuisances.Case], cut: Callable, ask: Callable):
    """Build the `predict` of `probe` for one network.

    Args:
        cases: the cases under audit.
        cut: `(image, mask) -> (S, S)`, what the network sees of an image and its lungs.
        ask: `(B, S, S, 1) -> logits (B,)` or `(B, 1)`.
    """

    def predict(images, owners):
        pairs = zip(images, owners, strict=True)
        squares = np.stack([cut(image, cases[i].mask) for image, i in pairs])
        return np.ravel(ask(squares[..., None]))

    return predict


def probe(
    predict: Callable,
    cases: list[nuisances.Case],
    nuisance: nuisances.Nuisance,
    seed: int = 0,
) -> pd.DataFrame:
    """Collect the logits of every case as taken, with the nuisance and without.

    Args:
        predict: `(images, owners) -> logits (K,)`, images and the indices in `cases`
            of the cases that they are versions of.
        cases: the cases under audit.
        nuisance: what to vary.
        seed: int.

    Returns:
        DataFrame, one row a case: `label`, `patient_id`, `value` of the nuisance, and
        the mean logits `as_taken`, `present` and `absent` of its versions.
    """
    images, owners, versions = [], [], []
    for index, case in enumerate(cases):
        present, absent = nuisance.vary(case, seed + index)
        for version, made in enumerate(([case.image], present, absent)):
            images += made
            owners += [index] * len(made)
            versions += [version] * len(made)
    # All at once, so that `predict` can batch across cases.
    logits = pd.Series(predict(images, np.array(owners)))
    means = logits.groupby([owners, versions]).mean().unstack()
    means.columns = ["as_taken", "present", "absent"]
    return means.assign(
        label=[case.label for case in cases],
        patient_id=[case.patient_id for case in cases],
        value=[nuisance.value(case) for case in cases],
    )


def judge(probes: pd.DataFrame) -> dict:
    """Judge what a classifier makes of a nuisance, by what `probe` collected.

    Returns:
        `"num_cases"`; `"effect"`, the mean change of the logit by the nuisance in
        standard deviations of the logits as taken, with its interval; `"logits"`,
        the same in logits; `"flips"`, the proportion of cases whose decision it turns;
        `"alone"`, the AUROC of the nuisance's value alone; `"auroc"` of the model as
        taken, and with the nuisance everywhere (`"auroc_present"`) and nowhere
        (`"auroc_absent"`); `"groups"`, AUROC where the value is high and where it is
        low, `"gap"` between them; and `"alarm"`, True if the effect is beyond
        `LIMIT` with its whole interval.
    """
    patients = probes["patient_id"].to_numpy()
    if len(set(patients)) < 2:
        raise errors.InputError("An audit needs films of at least two patients.")
    # Paired within the case, so that no difference between patients enters.
    change = (probes["present"] - probes["absent"]).to_numpy()
    scale = float(probes["as_taken"].std()) or 1.0
    effect = metrics.bootstrap_interval(change / scale, patients)
    low, high = effect["low"], effect["high"]
    flips = (probes["present"] >= 0) != (probes["absent"] >= 0)  # of the decision
    value = probes["value"].to_numpy()
    # A nuisance of two values parts the cases by them, any other by its median.
    upper = value > np.median(value) if len(np.unique(value)) > 2 else value > 0.5
    groups = [_auroc(probes[where]) for where in (upper, ~upper)]
    return {
        "num_cases": len(probes),
        "effect": effect,
        "logits": metrics.bootstrap_interval(change, patients),
        "flips": metrics.bootstrap_interval(flips.astype(float), patients),
        "alone": _auroc(probes, "value"),
        "auroc": _auroc(probes),
        "auroc_present": _auroc(probes, "present"),
        "auroc_absent": _auroc(probes, "absent"),
        "groups": groups,
        "gap": None if None in groups else groups[0] - groups[1],
        "alarm": bool(low is not None and (low > LIMIT or high < -LIMIT)),
    }


def _auroc(probes: pd.DataFrame, column: str = "as_taken") -> float | None:
    return compute_auroc(probes["label"].to_numpy(), probes[column].to_numpy())


def compute_auroc(labels: np.ndarray, values: np.ndarray) -> float | None:
    """Return the AUROC of any values, None where there is one class only."""
    both = len(np.unique(labels)) == 2
    return float(sklearn_metrics.roc_auc_score(labels, values)) if both else None


def state_verdict(result: dict, nuisance: str) -> str:
    """Say in plain words what `judge` found."""
    effect, flips = result["effect"], result["flips"]["value"]
    amount = f"{effect['value']:+.2f} ({effect['low']:+.2f} to {effect['high']:+.2f})"
    found = (
        f"The {nuisance} alone moves the model's answer by {amount} standard "
        f"deviations and turns {flips:.0%} of the decisions"
    )
    if result["alarm"]:
        advice = "Do not trust this model where that differs between patients."
        return f"Alarm. {found}. {advice}"
    limit = f"the alarm needs the whole interval beyond {LIMIT}"
    return (
        f"No alarm. {found}; {limit}. What this audit does not vary can still mislead."
    )
