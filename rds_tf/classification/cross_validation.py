"""Five folds of every arm, each trained in a process of its own, resumed if killed.

The lungs of all films are found once and saved beside the trainings. The predictions
for the held-out films are saved with each model, so that the comparison of the arms
reads tables and no network.
"""

import contextlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rds_tf import config, errors, training
from rds_tf.classification import classifier, classifier_training
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter
from rds_tf.parallel import local
from rds_tf.storage import disk

PREDICTIONS = "predictions.csv"
QUALITY = "quality.csv"
FOUND_BY = "lungs.json"
FETCHED = ("auto", "imagenet")  # starts that may need a download


def list_jobs(
    prepared: str | Path,
    out: str | Path,
    arms: list[classifier_training.Arm],
    profile: config.Profile,
    *,
    segmenters: str | Path = config.SAVED_MODELS,
    folds=range(config.NUM_FOLDS),
    by_seed: bool = True,
    finding: str | None = None,
) -> list[training.Job]:
    """List the trainings of a comparison, the folds of one arm after the other.

    Args:
        prepared, profile: as in `training.Job`.
        out: folder that receives `classifier_<backbone>_<input>_fold_<fold>`.
        arms: what to train.
        segmenters: where the segmenters lie that find the lungs, each case's by one
            that did not see it; not looked at for whole films.
        folds: ints, held out one at a time.
        by_seed: bool, keep the models of each seed in a folder `seed_<seed>`.
        finding: what label 1 means, for the manifests; None leaves that to the
            `ensemble.json` of a comparison.
    """
    table = prepare.load_manifest(prepared)
    films = table["pixel_sha256"].str[:16] + table["rds"].map(str)
    shared = {
        "steps": profile.classifier_steps,
        "data": training.hash_values([films.tolist(), table["fold"].tolist()]),
    }
    if finding is not None:
        shared["finding"] = config.check_finding(finding)
    jobs = []
    for arm in arms:
        record = shared | {"image_size": profile.classifier_px[arm.backbone]}
        record["arm"] = asdict(arm)
        whole = arm.input_name == "whole"
        record["segmenters"] = [] if whole else segmenter.list_hashes(segmenters)
        name = f"classifier_{arm.backbone}_{arm.input_name}_fold"
        if by_seed:
            name = f"seed_{arm.seed}/{name}"
        jobs += [
            training.Job(
                train=train_fold,
                arm=arm,
                fold=fold,
                name=f"{name}_{fold}",
                title=f"{arm.title}, fold {fold}",
                prepared=Path(prepared).resolve(),
                out=Path(out).resolve(),
                profile=profile,
                record=record | {"fold": fold},
                segmenters=None if whole else Path(segmenters).resolve(),
                leaves=(PREDICTIONS,),
            )
            for fold in folds
        ]
    return jobs


def run(
    jobs: list[training.Job], *, executor: local.Executor = local, again: bool = False
) -> None:
    """Find the lungs and train what is not trained yet.

    Args, Raises: as in `training.run`; BlockingIOError if another run is writing there.
    """
    claim = disk.claim(jobs[0].out) if len(jobs) > 1 else contextlib.nullcontext()
    with claim:  # single folds may be trained in one folder by several runs at once
        waiting = [job for job in jobs if not training.is_done(job, again=again)]
        looking = [job for job in jobs if job.segmenters]
        if looking and not masks_are_found(looking[0]):
            print("Finding the lungs of all films.")
            search = replace(looking[0], title="")
            found = executor.map_isolated(find_masks, [search], description="lungs")
            training.check(found)
        workers = 1
        if len(jobs) > 1:
            import tensorflow as tf

            begun, workers = decide_starts(waiting), max(1, executor.count_cores())
            if executor is local and tf.config.list_physical_devices("GPU"):
                workers = 1  # each would take the whole GPU
            jobs = [
                replace(job, num_threads=1, start=begun.get(_get_start(job), ""))
                for job in jobs
            ]
        training.run(jobs, executor=executor, num_workers=workers, again=again)


def decide_starts(jobs: list[training.Job]) -> dict[tuple[str, str], str]:
    """Try once which start is available, so that all folds begin from the same.

    Returns:
        `(backbone, start of the arm)` to `"imagenet"`, `"phantom"` or `"scratch"`.
    """
    trials = {
        _get_start(job): replace(job, title="")  # which is no training
        for job in jobs
        if job.arm.start in FETCHED
    }
    found = local.map_isolated(
        classifier_training.find_start, trials.values(), description="starts"
    )
    training.check(found)
    return {_get_start(outcome.item): outcome.value for outcome in found}


def _get_start(job: training.Job) -> tuple[str, str]:
    return job.arm.backbone, job.arm.start


def train_fold(job: training.Job) -> None:
    """Train one fold of one arm and write its predictions for the held-out films.

    Raises:
        InputError: the films outside the fold are of one class.
    """
    table = prepare.load_manifest(job.prepared)
    test = (table["fold"] == job.fold).to_numpy()
    if table.loc[~test, "rds"].nunique() < 2:
        raise errors.InputError(
            f"{job.prepared}: outside fold {job.fold} there is one class only."
        )
    windows = classifier.load_crops(
        job.prepared,
        table,
        job.arm.input_name,
        job.profile.classifier_px[job.arm.backbone],
        load_masks(job.out, table) if job.segmenters else None,
    )
    found_by = job.out / "masks" / FOUND_BY
    segmenters = disk.read_json(found_by)["segmenters"] if job.segmenters else []
    model = classifier_training.train_windows(
        windows[~test], table[~test], job, segmenters
    )
    found = table.loc[test, ["case_id", "patient_id", "rds", "fold"]]
    found = found.assign(logit=classifier.predict_logits(model, windows[test]))
    disk.write_whole(job.folder / PREDICTIONS, found.to_csv(index=False).encode())


def masks_are_found(job: training.Job) -> bool:
    """Say whether the lungs of all films were found before.

    Raises:
        InputError: that was done by other segmenters, or on other films.
    """
    path = job.out / "masks" / FOUND_BY
    if not path.is_file():
        return False
    known = disk.read_json(path)
    if known | describe_masks(job) != known:
        raise errors.InputError(
            f"{path.parent}: holds lungs of other films or by other segmenters; "
            "name another folder for this comparison."
        )
    return True


def describe_masks(job: training.Job) -> dict:
    """Return which films, and which segmenters could find their lungs."""
    films = prepare.load_manifest(job.prepared)["pixel_sha256"].str[:16]
    return {"films": films.tolist(), "offered": segmenter.list_hashes(job.segmenters)}


def find_masks(job: training.Job) -> None:
    """Write the lungs of every case into the folder `masks` of the job's `out`.

    Beside the PNG files stand `quality.csv`, the quality of each mask, and last
    `lungs.json`: which films they are of, and which segmenters found them.
    """
    table = prepare.load_manifest(job.prepared)
    folder = job.out / "masks"
    folder.mkdir(parents=True, exist_ok=True)
    tools = segmenter.load_segmenters(job.segmenters)
    lungs = classifier.find_lungs(job.prepared, table, tools)
    for name, found in zip(table["case_id"], lungs, strict=True):
        radiograph.write_png(folder / f"{name}.png", found.mask.astype("float32"))
    quality = table[["case_id"]].assign(quality=[found.quality for found in lungs])
    disk.write_whole(folder / QUALITY, quality.to_csv(index=False).encode())
    used = [tool.describe() for tool, _ in segmenter.assign_unseen(table, tools)]
    disk.write_json(folder / FOUND_BY, describe_masks(job) | {"segmenters": used})


def load_masks(out: str | Path, table) -> list[np.ndarray]:
    """Read what `find_masks` wrote: uint8 `(H, W)` masks, one a row of `table`."""
    paths = [Path(out) / "masks" / f"{name}.png" for name in table["case_id"]]
    return [(radiograph.read_image(path) > 0.5).astype("uint8") for path in paths]


def load_quality(out: str | Path, cases) -> np.ndarray | None:
    """Read the quality of the masks of `cases`, None where no arm needed masks."""
    path = Path(out) / "masks" / QUALITY
    if not path.is_file():
        return None
    known = pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False)
    return known.set_index("case_id")["quality"].loc[cases["case_id"]].to_numpy()


def load_predictions(jobs: list[training.Job]) -> pd.DataFrame:
    """Read the out-of-fold logits of every arm.

    Returns:
        One row a case with `case_id, patient_id, rds, fold` and one column of logits
        an arm and seed, such as `"B0 combined"`, or `"B0 combined, seed 1"` where
        there are several seeds.
    """
    several = len({job.arm.seed for job in jobs}) > 1
    texts = {"case_id": str, "patient_id": str}  # "007" and "NA" are names too
    parts = {}
    for job in jobs:
        name = f"{job.arm.name}, seed {job.arm.seed}" if several else job.arm.name
        path = job.folder / PREDICTIONS
        read = pd.read_csv(path, dtype=texts, keep_default_na=False)
        parts.setdefault(name, []).append(read)
    columns = ["case_id", "patient_id", "rds", "fold"]
    joined = None
    for name, folds in parts.items():
        arm = pd.concat(folds).rename(columns={"logit": name})
        joined = arm if joined is None else joined.merge(arm, on=columns)
    return joined.sort_values("case_id", ignore_index=True)
