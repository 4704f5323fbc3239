"""Audit trained classifiers on a prepared cohort, each case by models new to it."""

from pathlib import Path

import numpy as np

from rds_tf import config, store
from rds_tf.data import folds
from rds_tf.diagnosis import audit, classifier, explain, tubes
from rds_tf.lungs import frame

MAX_HEAT = 60  # films whose heat is shared out


def load_cases(
    prepared: str | Path,
    table,
    regions: str | Path | None = None,
    segmenters: str | Path = config.SAVED_MODELS,
) -> list[audit.Case]:
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
        image = classifier.read_film(prepared, row)
        tube = np.zeros(image.shape, "uint8")
        if regions is not None:
            tube = tubes.read_region(regions, row.case_id, image.shape)
        cases.append(audit.Case(image, mask, tube, int(row.rds), row.patient_id))
    if regions is not None and not any(case.tube.any() for case in cases):
        raise ValueError(
            f"{regions}: no drawing there belongs to a case of the cohort."
        )
    return cases


def audit_arms(prepared, models, nuisance_name: str, cases, table) -> dict:
    """Audit every arm among `models`.

    Args:
        prepared: folder written by `prepare`.
        models: classifiers.
        nuisance_name: a key of `audit.list_nuisances`.
        cases: from `load_cases`.
        table: their rows of the manifest.

    Returns:
        Arm to `(judged, probes, kept)`: what `audit.judge` found, with the shares of
        `"heat"`; its probes; and the places in `cases` that some model had not seen.

    Raises:
        store.ModelError: if the models saw every case.
    """
    nuisances = audit.list_nuisances(cases)
    if nuisance_name not in nuisances:
        raise ValueError(
            f"The nuisance must be one of {', '.join(nuisances)}. "
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
            raise store.ModelError(f"{prepared}: {arm} saw every case in training.")
        chosen = [cases[index] for index in kept]
        predict = _Predictor(members, [each[kept] for each in fresh], chosen)
        probes = audit.probe(predict, chosen, nuisances[nuisance_name])
        judged = audit.judge(probes)
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
            frame.cut_input(image, self.cases[i].mask, manifest["input"], size)[1]
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
            window = frame.choose_frame(
                case.image, case.mask, self.members[0].manifest["input"]
            )
            (member,) = [
                one
                for one, fresh in zip(self.members, self.fresh, strict=True)
                if fresh[index]
            ][:1]
            square = self.cut([case.image], [index])
            heat = explain.grad_cam(member.model, square)[0]
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
