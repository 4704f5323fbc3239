"""The pack of a reader study: films without names, the model's view, orders, codes.

All but the codes follows from the seed: `plan.json` and the key are the same to the
byte. The codes must not: see `codes`. Their hashes therefore lie in `access.json`.
"""

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

LONGEST_MAP_PX = 1024
MAP_OPACITY = 0.65
BEGUN = {".lock", "films", "model", sign_in.FILE}  # what lies in a pack before its plan


def write_pack(
    prepared: str | Path, out: str | Path, models: str | Path, plan: design.Design
) -> str:
    """Choose cases, let the models judge them and write all that a study needs.

    Writes `films/<case>.png`, `model/<case>.json` and `.png`, `access.json` and, last,
    `plan.json` into `out`; beside it `<out>_key.csv`, the truth, and
    `<out>_codes.csv`, what readers sign in with.

    Args:
        prepared: folder written by `prepare`.
        out: folder to write; must not exist, be empty, or hold a pack that an earlier
            run did not finish.
        models: folder of classifiers, each case judged only by those that saw no
            film of its patient in training.
        plan: the sizes.

    Returns:
        What was written, in sentences.

    Raises:
        ValueError: if `out` or its key or codes are there already, or there are not
            enough patients.
        model_store.ModelError: if every model saw every case.
    """
    out = Path(out)
    beside = [out.with_name(f"{out.name}_{name}.csv") for name in ("key", "codes")]
    _refuse_old(out, beside)
    table = prepare.load_manifest(prepared)
    judges = find_judges(table, models)
    cases = design.choose_cases(table, [one is not None for one in judges], plan)
    of_case = dict(zip(table["case_id"], judges, strict=True))
    readers = design.plan_sessions(cases["case"].tolist(), cases["rds"], plan)
    drawn = sign_in.draw_sign_in_codes([each["reader"] for each in readers])
    with disk.claim(out):
        _refuse_old(out, beside)  # another run may just have finished
        for folder in ("films", "model"):
            (out / folder).mkdir(exist_ok=True)
        for row in tqdm(list(cases.itertuples()), "cases", disable=None):
            film = out / "films" / f"{row.case}.png"
            write_film(Path(prepared) / row.image, film)
            write_view(out / "model", row.case, film, of_case[row.case_id])
        _write_secrets(beside, cases, drawn)
        disk.write_json(out / sign_in.FILE, sign_in.hash_codes(drawn))
        disk.write_json(out / "plan.json", describe(plan, readers))
    left_out = sum(one is None for one in judges)
    note = f" Every model saw the patients of {left_out} films; they were left out."
    return (
        f"{len(cases)} cases, half of them with {plan.finding}, for {len(readers)} "
        f"readers, {plan.order}, in {out}.{note if left_out else ''}\n"
        f"Truth: {beside[0]}, codes: {beside[1]}. Give each reader one code and keep "
        f"both files where no reader looks.\n"
        f"Next: python -m rds_tf serve study {out}\n{config.NOT_FOR_CLINICAL_USE}"
    )


def _refuse_old(out: Path, beside: list[Path]) -> None:
    """Raise ValueError if something lies where a pack is to be written.

    A pack that was begun and not finished may be written again: it has no plan yet,
    so that nobody can have signed in with its codes.
    """
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if ".lock" in found <= BEGUN:
        return
    if out.exists() and (not out.is_dir() or found):
        raise errors.InputError(
            f"{out}: is there already and not empty; name a new folder."
        )
    for path in beside:
        if path.exists():
            raise errors.InputError(
                f"{path}: belongs to another pack; move it away first."
            )


def find_judges(table, models: str | Path) -> list[diagnose.Models | None]:
    """Find for each case the models that saw no film of its patient in training.

    Args:
        table: a whole manifest.
        models: a folder as of `diagnose.load_models`, but with the segmenters of
            several folds where it has them.

    Returns:
        One `diagnose.Models` a row, None where every classifier or every segmenter
        saw the patient.

    Raises:
        model_store.ModelError: if that is so for all rows, or a model is missing or
            damaged.
    """
    joined = ensemble.load(Path(models))
    folders = [Path(models) / member for member in joined.members] or [models]
    all_of = [one for path in folders for one in classifier.load_classifiers(path)]
    seen = [one.manifest["training"]["seen"] for one in all_of]
    fresh = np.array([folds.find_unseen(table, hashes) for hashes in seen])
    lungs = {}
    for tool, rows in segmenter.assign_unseen(
        table, model_store.choose_models(models, "segmenter")
    ):
        lungs |= dict.fromkeys(rows["case_id"], tool)
    judges: list[diagnose.Models | None] = []
    for case_id, unseen in zip(table["case_id"], fresh.T, strict=True):
        own = [one for one, new in zip(all_of, unseen, strict=True) if new]
        judged = own and case_id in lungs
        judges.append(diagnose.Models(lungs[case_id], own, joined) if judged else None)
    if not any(judges):
        raise model_store.ModelError(
            f"{models}: every model saw every patient in training, so that its view of "
            "them is no diagnosis; use models trained fold by fold, or other films."
        )
    return judges


def write_film(source: Path, out: Path) -> None:
    """Write a prepared film as a PNG of grey levels and nothing else."""
    film = radiograph.read_radiograph(source)
    radiograph.write_png(out, film.image, film.bits_stored)


def write_view(folder: Path, case: str, film: Path, models: diagnose.Models) -> None:
    """Write what models say of a film: `<case>.json`, and `<case>.png` to lay over."""
    found = diagnose.diagnose(film, models)
    whole, png = cv2.imencode(".png", draw_heat(found.heatmap))
    if not whole:
        raise OSError(f"{film}: its heat map cannot be encoded as PNG.")
    disk.write_whole(folder / f"{case}.png", png.tobytes())
    view = {"probability": found.probability, "decision": found.decision}
    has_map = bool(found.heatmap.any())
    disk.write_json(folder / f"{case}.json", {**view, "has_map": has_map})


def draw_heat(heat: np.ndarray) -> np.ndarray:
    """Draw a heat map `(H, W)` in `[0, 1]` as a layer to lay over its film.

    Returns:
        uint8 BGRA `(h, w, 4)`, the longer side 1024 pixels at most; the hotter the
        denser, as in `overlay.blend_heat`.
    """
    scale = min(1.0, LONGEST_MAP_PX / max(heat.shape))
    size = tuple(max(1, round(side * scale)) for side in heat.shape[::-1])
    heat = np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_AREA), 0, 1)
    layer = matplotlib.colormaps["inferno"](heat)[..., [2, 1, 0, 3]]
    layer[..., 3] = MAP_OPACITY * heat
    return np.rint(255 * layer).astype(np.uint8)


def describe(plan: design.Design, readers: list[dict]) -> dict:
    """Return `plan.json`: sizes and orders, no truth, no names, no code."""
    return {
        "rds_tf": rds_tf.__version__,
        "notice": config.NOT_FOR_CLINICAL_USE,
        "finding": plan.finding,
        "order": plan.order,
        "washout_days": plan.washout_days if plan.order == "crossover" else 0,
        "num_cases": plan.num_cases,
        "seed": plan.seed,
        "readers": readers,
    }


def _write_secrets(beside: list[Path], cases, drawn: dict[str, str]) -> None:
    """Write the key and the codes, for their owner's eyes only."""
    key = cases.sort_values("case").rename(columns={"rds": "truth"})
    key = key[["case", "case_id", "patient_id", "truth"]].to_csv(index=False)
    lines = [f"{reader},{code}\n" for reader, code in drawn.items()]
    for path, text in zip(
        beside, (key, "".join(["reader,code\n", *lines])), strict=True
    ):
        disk.write_whole(path, text.encode())
        os.chmod(path, 0o600)
