"""A cohort -> PNG images, masks and fold tables: in parallel, and resumable.

Each finished case leaves a record, `records/<case_id>.json`, with a stamp of the files
it came from; a case whose stamp still holds is not done again.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rds_phantoms import dataset
from rds_tf import config, errors
from rds_tf.data import annotation, cohort, duplicates, folds, manifest
from rds_tf.dicom import burned_in_text, radiograph
from rds_tf.parallel import local
from rds_tf.storage import disk

VERSION = 3  # raise it when a file gives other pixels or notes: all is done again
load_manifest = manifest.load  # the door of this room for whoever reads results


@dataclass(frozen=True)
class Summary:
    """The counts of a run of `prepare`."""

    num_images: int  # in the manifest
    num_masks: int  # in the manifest
    num_rejected: int  # rows of the table that were not usable
    num_reused: int  # images that an earlier run had written
    num_deleted: int  # images of cases that are no longer in the table
    audit: pd.DataFrame  # one row a fold, see `folds.audit_folds`


@dataclass(frozen=True)
class Task:
    """One case to prepare: its name, its files and the folder to write to."""

    case_id: str
    source: Path
    annotation: Path | None
    out: Path

    @property
    def reads(self) -> list[Path]:  # see `remote_task`
        """Return its files."""
        return [path for path in (self.source, self.annotation) if path]


def prepare(
    cohort_path: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    num_workers: int | None = None,
    executor: local.Executor = local,
) -> Summary:
    """Turn a cohort into PNG images, masks and fold tables.

    Writes `images/`, `masks/`, `manifest.csv`, `dataset_fold_0_5.csv` to
    `dataset_fold_4_5.csv`, `rejected.csv`, `fold_audit.csv`; goes on if interrupted,
    and deletes the files of cases that are no longer in the table.

    Args:
        cohort_path: the case table; see `cohort.load_cohort`.
        out: folder to write to, made if need be.
        root: folder of the radiographs, default the folder of the table.
        num_workers: processes, default one a core.
        executor: `local`, or what `ray_cluster.choose_executor` returns.

    Raises:
        InputError: `num_workers` is below 1.
        cohort.CohortError: no table, no usable row, or five cases with a fold empty.
        OSError: `out` cannot be written, or another run is writing there.
    """
    if num_workers is not None and num_workers < 1:
        cause = "`num_workers` must be at least 1"
        raise errors.InputError(f"{cause}. Received: {num_workers}.")
    out = Path(out)
    cases, rejected = cohort.load_cohort(cohort_path, root or Path(cohort_path).parent)
    with disk.claim(out):
        tasks = _make_tasks(cases, out)
        errors_of, num_reused = _prepare_cases(tasks, num_workers, executor)
        del tasks  # their paths take much memory
        rejected = _write_rejected(out, rejected, cases, errors_of)
        cases = cases[~cases["case_id"].isin(list(errors_of))]
        if cases.empty:
            reason = next(iter(rejected["reason"]), "it has none.")
            raise cohort.CohortError(f"No row of {cohort_path} is usable: {reason}")
        table, audit = _write_tables(out, cases)
        num_deleted = manifest.delete_unlisted(out, table)
    return Summary(
        num_images=len(table),
        num_masks=int((table["mask"] != "").sum()),
        num_rejected=len(rejected),
        num_reused=num_reused,
        num_deleted=num_deleted,
        audit=audit,
    )


def _make_tasks(cases: pd.DataFrame, out: Path) -> list[Task]:
    """Move the files of the cases from their table into tasks; make the folders."""
    for folder in cohort.PREPARED_FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    files = cases.pop("source"), cases.pop("annotation")
    named = zip(cases["case_id"], *files, strict=True)
    return [Task(case_id, source, drawn, out) for case_id, source, drawn in named]


def _prepare_cases(
    tasks: list[Task], num_workers: int | None, executor: local.Executor
) -> tuple[dict[str, str], int]:
    """Do what is not done: the errors by case, and how many were done before."""
    pending = [task for task in tasks if not _is_done(task)]
    num_workers = num_workers or executor.count_cores()
    outcomes = executor.map_items(prepare_case, pending, num_workers, "Preparing")
    errors_of = {o.item.case_id: o.error for o in outcomes if o.error}
    return errors_of, len(tasks) - len(pending)


def _is_done(task: Task) -> bool:
    """Say whether an earlier run did it, and its sources and results are unchanged."""
    try:
        record = manifest.read_record(manifest.record_path(task.out, task.case_id))
        if record["stamp"] != _stamp(task):
            return False
    except (OSError, ValueError):  # no record, a damaged one, or no source
        return False
    written = [task.out / record[n] for n in ("image", "mask") if record[n]]
    return all(path.is_file() for path in written)


def _stamp(task: Task) -> list:
    """Describe the sources, by hashed paths: folders may be called after patients."""
    paths = task.reads
    facts = [(hashlib.sha256(str(p).encode()).hexdigest(), p.stat()) for p in paths]
    return [VERSION, *([name, s.st_size, s.st_mtime_ns] for name, s in facts)]


def prepare_case(task: Task) -> None:
    """Write the image, the mask and last the record of one case.

    Raises:
        errors.InputError: the radiograph or its annotation is refused.
        OSError: a file cannot be written.
    """
    stamp = _stamp(task)  # before the files are read: a later change is seen
    film = radiograph.read_radiograph(task.source)
    notes = [*film.warnings, *film.header_failures.values(), *film.header_warnings]
    notes += burned_in_text.list_warnings(film.image)
    record = {
        "image": f"images/{task.case_id}.png",
        **_write_mask(task, film.image.shape, notes),
        "height": film.image.shape[0],
        "width": film.image.shape[1],
        "bits_stored": film.bits_stored,
        "pixel_sha256": duplicates.hash_pixels(film.image),
        "thumbnail": duplicates.make_thumbnail(film.image),
        "patient_id": film.patient_id,
        "notes": notes,
        "stamp": stamp,
    }
    radiograph.write_png(task.out / record["image"], film.image, film.bits_stored)
    path = manifest.record_path(task.out, task.case_id)
    disk.write_whole(path, json.dumps(record).encode())


def _write_mask(task: Task, shape: tuple[int, int], notes: list[str]) -> dict:
    """Write the mask of a case, if it has one; add what is odd about it to `notes`."""
    if task.annotation is None:
        return {"mask": "", "roi_area": None}
    polygons = annotation.read_polygons(task.annotation, shape=shape)
    drawn = annotation.draw_mask(polygons, *shape)
    if not drawn.any():
        raise annotation.AnnotationError(
            f"Cannot use {task.annotation.name}: it encloses no pixel of the image."
        )
    notes += annotation.list_warnings(polygons, drawn)
    mask = f"masks/{task.case_id}.png"
    radiograph.write_png(task.out / mask, drawn)
    return {"mask": mask, "roi_area": annotation.polygon_area(polygons)}


def _write_rejected(
    out: Path, rejected: pd.DataFrame, cases: pd.DataFrame, errors_of: dict[str, str]
) -> pd.DataFrame:
    """Write the rows that the table or their files rule out, in the table's order."""
    failed = cases.assign(reason=cases["case_id"].map(errors_of))
    failed = failed[failed["reason"].notna()].rename(columns={"filepath": "file"})
    failed = failed[rejected.columns]
    rejected = pd.concat([rejected, failed]).sort_values("row", ignore_index=True)
    # A spreadsheet takes a cell that begins with an apostrophe for text, no formula.
    marks = ["'" * f.strip().startswith(cohort.FORMULAS) for f in rejected["file"]]
    files = marks + rejected["file"]
    _write_csv(out / "rejected.csv", rejected.assign(file=files))
    return rejected


def _write_tables(out: Path, cases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the manifest, the fold tables and the audit of the prepared cases."""
    table = folds.add_folds(manifest.join(cases, out), config.NUM_FOLDS)
    table = table[manifest.COLUMNS]
    audit = folds.audit_folds(table)
    for fold in range(config.NUM_FOLDS):
        name = f"dataset_fold_{fold}_{config.NUM_FOLDS}.csv"
        _write_csv(out / name, table[table["fold"] == fold])
    _write_csv(out / "fold_audit.csv", audit)
    _write_csv(out / "manifest.csv", table)
    return table, audit


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    disk.write_whole(path, table.to_csv(index=False, lineterminator="\n").encode())


def find_cohort(run: config.Run) -> tuple[Path, Path]:
    """Return a run's case table and the root of its files; write phantoms if none."""
    if run.cohort is not None:
        return run.cohort, run.root
    folder = run.folder / "cohort"
    if not (folder / "cohort.csv").exists():
        sizes = {"num_cases": run.profile.num_cases, "num_workers": None}
        dataset.write_cohort(folder, longest_px=run.profile.phantom_px, **sizes)
    return folder / "cohort.csv", folder


def prepare_run(run: config.Run) -> pd.DataFrame:
    """Prepare a run's cohort, as far as that is not done, and return its manifest."""
    table, root = find_cohort(run)
    prepare(table, run.prepared, root)  # cases done before are not done again
    return load_manifest(run.prepared)
