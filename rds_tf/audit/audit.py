"""Does a classifier owe its answer to something that is not the disease?

For every film two versions are made that differ in one nuisance and nothing else, with
a control of the same kind, and the logits are compared within the film. The tube is the
nuisance of the study; the film's shape and its brightness are audited the same way.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as sklearn_metrics

from rds_tf import config, errors
from rds_tf.audit import nuisances, tubes
from rds_tf.classification import classifier
from rds_tf.data import annotation, folds
from rds_tf.explanation import grad_cam
from rds_tf.lungs import cropping
from rds_tf.stats import metrics
from rds_tf.storage import model_store

LIMIT = 0.2  # a small effect (Cohen, 1988), in standard deviations of the logit


def build_predict(cases: list[nuisances.Case], cut, ask) -> Callable:
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


def probe(
    predict, cases: list[nuisances.Case], nuisance: nuisances.Nuisance, seed: int = 0
):
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
        raise errors.InputError("An audit needs films of two patients at least.")
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


MAX_HEAT = 60  # films whose heat is shared out


def load_cases(
    prepared: str | Path,
    table,
    regions: str | Path | None = None,
    segmenters: str | Path = config.SAVED_MODELS,
) -> list[nuisances.Case]:
    """Read the films of a cohort with their lungs and their tubes.

    Args:
        prepared: folder written by `prepare`.
        table: rows of its manifest.
        regions: folder of drawn tubes, `<case_id>.png`, white on black and of the
            film's size; a case without a file has no tube. None: no tube is known of,
            and one is drawn into every film.
        segmenters: where the segmenters lie.

    Raises:
        ValueError: if a drawing is not of its film's size, or there is none at all.
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
    """Audit every arm among `models`.

    Args:
        prepared: folder written by `prepare`.
        models: classifiers.
        nuisance_name: a key of `nuisances.list_nuisances`.
        cases: from `load_cases`.
        table: their rows of the manifest.

    Returns:
        Arm to `(judged, probes, kept)`: what `audit.judge` found, with the shares of
        `"heat"`; its probes; and the places in `cases` that some model had not seen.

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
        fresh = [
            folds.find_unseen(table, one.manifest["training"]["seen"])
            for one in members
        ]
        kept = np.flatnonzero(np.any(fresh, axis=0))
        if not len(kept):
            raise model_store.ModelError(
                f"{prepared}: {arm} saw every case in training."
            )
        chosen = [cases[index] for index in kept]
        predict = _Predictor(members, [each[kept] for each in fresh], chosen)
        probes = probe(predict, chosen, known[nuisance_name])
        judged = judge(probes)
        judged["heat"] = predict.share_heat()
        found[arm] = judged, probes, kept
    return found


class _Predictor:
    """Mean logit of an arm's members that did not see a case."""

    def __init__(self, members, fresh, cases):
        self.members, self.fresh, self.cases = members, fresh, cases

    def cut(self, images, owners):
        """Cut the windows of films through the lungs of their cases."""
        manifest = self.members[0].manifest
        size = manifest["architecture"]["image_size"]
        pairs = zip(images, owners, strict=True)
        windows = [
            cropping.cut_input(image, self.cases[i].mask, manifest["input"], size)[1]
            for image, i in pairs
        ]
        return np.stack(windows)[..., None]

    def __call__(self, images, owners):
        """Return logits `(K,)` of films and the places of their cases."""
        windows = self.cut(images, owners)
        total, count = np.zeros(len(windows)), np.zeros(len(windows))
        for one, fresh in zip(self.members, self.fresh, strict=True):
            use = fresh[owners]
            if use.any():
                total[use] += classifier.predict_logits(one.model, windows[use])
                count += use
        return total / count

    def share_heat(self) -> dict[str, float]:
        """Share the heat of cases with a tube out: lungs, tube, outside of both."""
        places = [i for i, case in enumerate(self.cases) if case.tube.any()]
        shares = []
        for index in places[:MAX_HEAT]:
            case = self.cases[index]
            window = cropping.choose_crop(
                case.image, case.mask, self.members[0].manifest["input"]
            )
            (member,) = [
                one
                for one, fresh in zip(self.members, self.fresh, strict=True)
                if fresh[index]
            ][:1]
            square = self.cut([case.image], [index])
            heat = grad_cam.grad_cam(member.model, square)[0]
            size = heat.shape[0]
            tube = window.cut_mask(tubes.widen(case.tube, 2), size)
            lungs = window.cut_mask(case.mask, size) * (1 - tube)
            total = heat.sum()
            if total > 0:
                shares.append([(heat * part).sum() / total for part in (lungs, tube)])
                shares[-1] += [1 - sum(shares[-1]), tube.mean()]
        if not shares:
            return {}
        names = ("lungs", "tube", "outside of both", "tube, were the heat even")
        return dict(zip(names, np.mean(shares, axis=0).tolist(), strict=True))
