"""The pack of a reader study: images without names, the models' view, orders, codes.

All but the sign-in codes follows from the seed: `plan.json` and the key are the same to
the byte. The codes must not, see `sign_in`; their hashes have a file of their own.
"""

import dataclasses
import os
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from tqdm import tqdm

import rds_tf
from rds_readers import design, sign_in
from rds_tf import config, errors
from rds_tf.classification import classifier, ensemble
from rds_tf.data import folds, prepare
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter
from rds_tf.storage import disk, model_store

LONGEST_HEATMAP_PX = 1024
HEATMAP_OPACITY = 0.65
BEGUN = {".lock", "films", "model", sign_in.FILE}  # what lies in a pack before its plan


def write_pack(
    prepared: str | Path,
    out: str | Path,
    models: str | Path,
    plan: design.Design,
    segmenters: str | Path | None = None,
) -> str:
    """Choose cases, let the models judge them and write what a study needs.

    Writes `films/<case>.png`, `model/<case>.json` and `.png`, `access.json` and, last,
    `plan.json` into `out`; beside it `<out>_key.csv`, the truth, and
    `<out>_codes.csv`, what readers sign in with.

    Args:
        prepared: folder written by `prepare`.
        out: folder to write; must not exist, be empty, or hold a pack that an earlier
            run did not finish.
        models: folder of classifiers, each case judged only by those that saw no
            image of its patient in training.
        plan: size and order of the study.
        segmenters: as in `classifier.load_segmenters`.

    Returns:
        What was written, in sentences.

    Raises:
        errors.InputError: `out` or its key or codes exist already, or there are not
            enough patients.
        model_store.ModelError: every model saw every case.
    """
    out = Path(out)
    beside = [out.with_name(f"{out.name}_{name}.csv") for name in ("key", "codes")]
    _refuse_old(out, beside)
    table = prepare.load_manifest(prepared)
    assigned = assign_models(table, models, segmenters)
    usable = np.array([one is not None for one in assigned])
    cases = design.choose_cases(table, usable, plan)
    models_of = dict(zip(table["case_id"], assigned, strict=True))
    readers = design.plan_sessions(cases["case"].tolist(), cases["rds"], plan)
    drawn = sign_in.draw_sign_in_codes([each["reader"] for each in readers])
    with disk.claim(out):
        _refuse_old(out, beside)  # another run may just have finished
        for folder in ("films", "model"):
            (out / folder).mkdir(exist_ok=True)
        for row in tqdm(list(cases.itertuples()), "cases", disable=None):
            path = out / "films" / f"{row.case}.png"
            write_levels(Path(prepared) / row.image, path)
            write_model_view(out / "model", row.case, path, models_of[row.case_id])
        _write_secrets(beside, cases, drawn)
        disk.write_json(out / sign_in.FILE, sign_in.hash_sign_in_codes(drawn))
        disk.write_json(out / "plan.json", describe_plan(plan, readers))
    num_seen = int((~usable).sum())
    note = f" Every model saw the patients of {num_seen} images; they were left out."
    return (
        f"{len(cases)} cases, half of them with {plan.finding}, for {len(readers)} "
        f"readers, {plan.order}, in {out}.{note if num_seen else ''}\n"
        f"Truth: {beside[0]}, sign-in codes: {beside[1]}. Give each reader one code "
        f"and keep both files where no reader looks.\n"
        f"Next: rds-tf serve study {out}\n{config.NOT_FOR_CLINICAL_USE}"
    )


def _refuse_old(out: Path, beside: list[Path]) -> None:
    """Raise `errors.InputError` if something lies where a pack is to be written.

    A pack that was begun and not finished may be written again: it has no plan yet,
    so that nobody can have signed in with its codes.
    """
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if ".lock" in found <= BEGUN:
        return
    if out.exists() and (not out.is_dir() or found):
        raise errors.InputError(
            f"{out}: exists already and is not empty; name a new folder."
        )
    for path in beside:
        if path.exists():
            raise errors.InputError(
                f"{path}: belongs to another pack; move it away first."
            )


def assign_models(
    table, models: str | Path, segmenters: str | Path | None = None
) -> list[diagnose.Models | None]:
    """Assign to each case the models that saw no image of its patient in training.

    Args:
        table: a complete manifest.
        models, segmenters: as in `diagnose.load_models`.

    Returns:
        One `diagnose.Models` a row, None where every classifier or every segmenter
        saw the patient.

    Raises:
        model_store.ModelError: that is so for all rows, or a model is missing or
            damaged.
    """
    joined = ensemble.load(Path(models))
    folders = [Path(models) / member for member in joined.members] or [models]
    classifiers = [one for path in folders for one in classifier.load_classifiers(path)]
    seen = [one.manifest["training"]["seen"] for one in classifiers]
    unseen = np.array([folds.find_unseen(table, hashes) for hashes in seen])
    loaded = classifier.load_segmenters(classifiers, models, segmenters)
    segmenter_of = {}
    for one, rows in segmenter.assign_unseen(table, loaded):
        segmenter_of |= dict.fromkeys(rows["case_id"], [one])
    assigned: list[diagnose.Models | None] = []
    for case_id, is_new in zip(table["case_id"], unseen.T, strict=True):
        own = [one for one, new in zip(classifiers, is_new, strict=True) if new]
        complete = own and case_id in segmenter_of
        assigned.append(
            diagnose.Models(segmenter_of[case_id], own, joined) if complete else None
        )
    if not any(assigned):
        raise model_store.ModelError(
            f"{models}: every model saw every patient in training, so that its view of "
            "them is no diagnosis; use models trained fold by fold, or other images."
        )
    return assigned


def write_levels(source: Path, out: Path) -> None:
    """Write a prepared image as a PNG of grey levels and nothing else."""
    found = radiograph.read_radiograph(source)
    radiograph.write_png(out, found.image, found.bits_stored)


def write_model_view(
    folder: Path, case: str, path: Path, models: diagnose.Models
) -> None:
    """Write what models say of an image: `<case>.json`, and `<case>.png` to overlay.

    Of an image that is not decided the probability is None, and there is no map.
    """
    found = diagnose.diagnose(path, models)
    encoded, png = cv2.imencode(".png", draw_heatmap(found.heatmap))
    if not encoded:
        raise OSError(f"{path}: its heat map cannot be encoded as PNG.")
    disk.write_whole(folder / f"{case}.png", png.tobytes())
    view = {"probability": found.probability, "decision": found.decision}
    view["reasons"] = list(found.abstention_reasons)
    has_map = bool(found.heatmap.any())
    disk.write_json(folder / f"{case}.json", {**view, "has_map": has_map})


def draw_heatmap(heatmap: np.ndarray) -> np.ndarray:
    """Draw a heat map `(H, W)` in `[0, 1]` as a layer to lay over its image.

    Returns:
        uint8 BGRA `(h, w, 4)`, the longer side 1024 pixels at most; the hotter the
        denser, as in `overlay.blend_heat`.
    """
    scale = min(1.0, LONGEST_HEATMAP_PX / max(heatmap.shape))
    size = tuple(max(1, round(side * scale)) for side in heatmap.shape[::-1])
    heat = np.clip(cv2.resize(heatmap, size, interpolation=cv2.INTER_AREA), 0, 1)
    layer = matplotlib.colormaps["inferno"](heat)[..., [2, 1, 0, 3]]  # RGBA to BGRA
    layer[..., 3] = HEATMAP_OPACITY * heat
    return np.rint(255 * layer).astype(np.uint8)


def describe_plan(plan: design.Design, readers: list[dict]) -> dict:
    """Return `plan.json`: size and orders, no truth, no names, no code."""
    days = plan.washout_days if plan.order == "crossover" else 0
    about = {"rds_tf": rds_tf.__version__, "notice": config.NOT_FOR_CLINICAL_USE}
    size = dataclasses.asdict(plan) | {"washout_days": days}
    return {**about, **size, "readers": readers}


def _write_secrets(beside: list[Path], cases, drawn: dict[str, str]) -> None:
    """Write the key and the sign-in codes, for their owner's eyes only."""
    key = cases.sort_values("case").rename(columns={"rds": "truth"})
    key = key[["case", "case_id", "patient_id", "truth"]].to_csv(index=False)
    lines = ["reader,code", *(f"{reader},{code}" for reader, code in drawn.items()), ""]
    for path, text in zip(beside, (key, "\n".join(lines)), strict=True):
        disk.write_whole(path, text.encode())
        os.chmod(path, 0o600)
