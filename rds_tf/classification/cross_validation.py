"""Five folds of every arm, each trained in a process of its own, resumed if killed.

What a fold says of the films that it held out goes to disk with its model, so that
the comparison of the arms reads tables and no network.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rds_tf import config, errors
from rds_tf.classification import cached_masks, classifier, classifier_training
from rds_tf.data import prepare
from rds_tf.parallel import local
from rds_tf.storage import disk, model_store

PREDICTIONS = "predictions.csv"


@dataclass(frozen=True)
class Job:
    """One fold of one arm.

    Attributes:
        prepared: folder written by `prepare`.
        out: the comparison's folder.
        arm: what to train.
        fold: int, held out.
        profile: sizes of the run.
        num_cases: int, training cases at most, or None for all of them.
        num_threads: int, cores of its process.
    """

    prepared: Path
    out: Path
    arm: classifier_training.Arm
    fold: int
    profile: config.Profile
    num_cases: int | None = None
    num_threads: int = 1

    @property
    def reads(self) -> list[Path]:
        """Stands for the prepared folder, see `remote_task`."""
        return [self.prepared / "manifest.csv"]

    @property
    def takes(self) -> list[Path]:
        """The masks that its input is cut with."""
        whole = self.arm.input_name == "whole"
        return [] if whole else sorted((self.out / "masks").glob("*.png"))

    @property
    def folder(self) -> Path:
        """Where its model and its predictions go."""
        arm = self.arm
        name = f"classifier_{arm.backbone}_{arm.input_name}_fold_{self.fold}"
        return self.out / f"seed_{arm.seed}" / name

    def describe(self) -> dict:
        """Return what makes the job, to know its results again."""
        table = prepare.load_manifest(self.prepared)
        return {
            "arm": asdict(self.arm),
            "fold": self.fold,
            "image_size": self.profile.classifier_px[self.arm.backbone],
            "steps": self.profile.classifier_steps,
            "num_cases": self.num_cases,
            "films": list(
                map(str, table["pixel_sha256"].str[:16] + table["rds"].map(str))
            ),
            "folds": table["fold"].tolist(),
        }


def list_jobs(prepared, out, arms: list[classifier_training.Arm], profile) -> list[Job]:
    """List the jobs of a comparison, the folds of one arm after the other."""
    places = Path(prepared).resolve(), Path(out).resolve()
    return [
        Job(*places, arm, fold, profile)
        for arm in arms
        for fold in range(config.NUM_FOLDS)
    ]


def run(
    jobs: list[Job],
    segmenters: str | Path = config.SAVED_MODELS,
    executor: local.Executor = local,
) -> None:
    """Train what is not trained yet, each job in a fresh process.

    Args:
        jobs: of one comparison.
        segmenters: where the segmenters lie that find the lungs, each case's by one
            that did not see it.
        executor: `local`, or what `ray_cluster.choose_executor` returns.

    Raises:
        RuntimeError: if a job failed; the others are done, and a rerun does the rest.
        ValueError: if the folder holds another comparison, or other lungs.
        BlockingIOError: if another run is writing there.
    """
    with disk.claim(jobs[0].out):
        waiting = [job for job in jobs if not is_done(job)]
        search = cached_masks.Search(jobs[0].prepared, jobs[0].out, Path(segmenters))
        looks = any(job.arm.input_name != "whole" for job in jobs)
        if looks and not search.is_done():
            _check(
                executor.map_isolated(
                    cached_masks.find_masks, [search], description="lungs"
                )
            )
        if not waiting:
            return
        workers = count_workers(executor, waiting[0].num_threads)
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} trainings were done before.")
        _check(executor.map_isolated(train_and_predict, waiting, workers, "trainings"))


def count_workers(executor: local.Executor, num_threads: int) -> int:
    """Return how many trainings go at once: one a core, on one machine's GPU one."""
    import tensorflow as tf

    if executor is local and tf.config.list_physical_devices("GPU"):
        return 1
    return max(1, executor.count_cores() // num_threads)


def _check(outcomes: list[local.Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        raise errors.RunError(
            f"{len(failed)} of {len(outcomes)} trainings failed, run the same command "
            f"again for the rest. The first: {failed[0].error}"
        )


def is_done(job: Job) -> bool:
    """Say whether a job's results are there.

    Raises:
        ValueError: if they are those of another job.
    """
    kept = job.folder / "job.json"
    if not (kept.is_file() and (job.folder / PREDICTIONS).is_file()):
        return False
    if disk.read_json(kept) != job.describe():
        raise errors.InputError(
            f"{job.folder}: holds a training on other films or with other settings; "
            "name another folder for this comparison."
        )
    return True


def train_and_predict(job: Job) -> None:
    """Train one fold of one arm and write what it says of the held-out films."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job.num_threads)
    table = prepare.load_manifest(job.prepared)
    whole = job.arm.input_name == "whole"
    windows = classifier.load_crops(
        job.prepared,
        table,
        job.arm.input_name,
        job.profile.classifier_px[job.arm.backbone],
        None if whole else cached_masks.load_masks(job.out, table),
    )
    train = choose_cases(table, job.fold, job.num_cases)
    disk.write_json(job.folder / "job.json", job.describe())
    one = classifier_training.train_windows(
        windows[train], table[train], job.folder, job.profile, job.arm, job.fold
    )
    test = (table["fold"] == job.fold).to_numpy()
    found = table.loc[test, ["case_id", "patient_id", "rds", "fold"]]
    found = found.assign(logit=classifier.predict_logits(one.model, windows[test]))
    disk.write_whole(job.folder / PREDICTIONS, found.to_csv(index=False).encode())


def choose_cases(table, fold: int, num_cases: int | None = None) -> np.ndarray:
    """Choose the training cases of a fold, whole patients in a drawn order.

    Args:
        table: a manifest.
        fold: int, held out.
        num_cases: int, how many at most; the smaller choice lies in the larger.

    Returns:
        bool array (N,).
    """
    train = (table["fold"] != fold).to_numpy()
    if num_cases is None or train.sum() <= num_cases:
        return train
    patients = table["patient_id"].to_numpy()
    order = np.random.default_rng(fold).permutation(np.unique(patients[train]))
    rank = {patient: place for place, patient in enumerate(order)}
    place = np.array([rank.get(patient, len(rank)) for patient in patients])
    chosen = np.zeros(len(table), bool)
    chosen[np.argsort(place, kind="stable")[:num_cases]] = True
    return chosen & train


def load_predictions(jobs: list[Job]) -> pd.DataFrame:
    """Read the out-of-fold logits of every arm.

    Returns:
        One row a case with `case_id, patient_id, rds, fold` and one column of logits
        an arm and seed, such as `"B0 combined"`, or `"B0 combined, seed 1"` where
        there are several seeds.
    """
    seeds = {job.arm.seed for job in jobs}
    parts = {}
    for job in jobs:
        name = job.arm.name
        if len(seeds) > 1:
            name = f"{name}, seed {job.arm.seed}"
        texts = {"case_id": str, "patient_id": str}  # "007" and "NA" are names too
        path = job.folder / PREDICTIONS
        read = pd.read_csv(path, dtype=texts, keep_default_na=False)
        parts.setdefault(name, []).append(read)
    columns = ["case_id", "patient_id", "rds", "fold"]
    joined = None
    for name, folds in parts.items():
        arm = pd.concat(folds).rename(columns={"logit": name})
        joined = arm if joined is None else joined.merge(arm, on=columns)
    return joined.sort_values("case_id", ignore_index=True)


def read_start(job: Job) -> str:
    """Return the weights that a job's training started from."""
    return model_store.read_manifest(job.folder)["training"]["start"]
