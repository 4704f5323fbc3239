"""What the commands of this project left in a folder: found, read, checked."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from rds_pages.reports import score_tables
from rds_tf import errors
from rds_tf.data import cohort, prepare

SINGLE = ("comparison", "segmentation", "diagnosis", "readers", "ensemble")
TABLES = ("manifest", "fold_audit", "rejected")
FOLD_COLUMNS = {"fold", "num_cases", "rds_rate", "shared_patients"}
DEPTH = 3  # folders below the run that are looked into
OLD_NAMES = {"left_open": "abstained", "offset": "intercept"}  # of entries in JSON
WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError)


@dataclass
class Run:
    """The artifacts of one run; None, or empty, what it does not hold.

    Attributes:
        folder: where they lie.
        paths: file of each artifact, by its name, an audit's as `audit_<nuisance>`.
        comparison, segmentation, diagnosis, readers, ensemble: what the JSON of that
            name holds.
        manifest, fold_audit, rejected: tables of `prepare`.
        audits: what `audit` found, arms by nuisance.
        models: manifests of models, by their files.
    """

    folder: Path
    paths: dict[str, Path] = field(default_factory=dict)
    comparison: dict | None = None
    segmentation: dict | None = None
    diagnosis: dict | None = None
    readers: dict | None = None
    ensemble: dict | None = None
    manifest: pd.DataFrame | None = None
    fold_audit: pd.DataFrame | None = None
    rejected: pd.DataFrame | None = None
    audits: dict[str, dict] = field(default_factory=dict)
    models: dict[Path, dict] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """Name of the data: the prepared folder's, else the run's."""
        path = self.paths.get("manifest")
        return (path.parent if path else self.folder).resolve().name

    def name_data(self, scores: dict) -> str:
        """Name the data of one file of scores: by what it says, else as `data`."""
        return str(scores.get("data") or self.data)

    @property
    def scores(self) -> tuple[str, dict] | None:
        """Scores of classifiers and the name of their artifact."""
        for name in ("comparison", "diagnosis"):
            if getattr(self, name):
                return name, getattr(self, name)
        return None


def load_run(folder: str | Path) -> Run:
    """Find and read the artifacts of a run; of two of a name the one less deep.

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if a file is not what its command writes.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder.")
    run = Run(folder)
    for name in SINGLE:
        if path := _find(folder, f"{name}.json"):
            run.paths[name] = path
            setattr(run, name, _read_json(path))
    for path in _list(folder, "audit_*.json"):
        run.paths.setdefault(path.stem, path)
        run.audits.setdefault(path.stem.removeprefix("audit_"), _read_json(path))
    for name in TABLES:
        if path := _find(folder, f"{name}.csv"):
            run.paths[name] = path
            setattr(run, name, _read_table(name, path))
    for path in _list(folder, "manifest.json"):
        manifest = _read_json(path)
        if not {"kind", "architecture", "weights", "training"} <= manifest.keys():
            raise errors.InputError(f"{path}: is not a model's manifest.")
        run.models[path] = manifest
    if not run.paths and not run.models:
        raise FileNotFoundError(f"{folder}: holds no results of rds_tf.")
    _check_scores(run)
    return run


def _list(folder: Path, pattern: str) -> list[Path]:
    """List files of a name, the less deep first; folders deeper than `DEPTH` not."""
    below = ["*/" * depth + pattern for depth in range(DEPTH + 1)]
    found = [sorted(folder.glob(each)) for each in below]
    return [path for paths in found for path in paths if path.is_file()]


def _find(folder: Path, name: str) -> Path | None:
    return next(iter(_list(folder, name)), None)


def _read_json(path: Path) -> dict:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_hook=_rename)
    except (OSError, ValueError) as error:
        raise errors.InputError(f"{path}: cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise errors.InputError(
            f"{path}: holds no results, but {type(content).__name__}."
        )
    return content


def _rename(entries: dict) -> dict:
    """Give entries that earlier versions wrote the names of today."""
    return {OLD_NAMES.get(name, name): value for name, value in entries.items()}


def _read_table(name: str, path: Path) -> pd.DataFrame:
    try:
        if name == "manifest":
            return prepare.load_manifest(path.parent)
        table = pd.read_csv(path)
    except (*WRONG, cohort.CohortError) as error:
        raise errors.InputError(f"{path}: is no table of `prepare`: {error}") from error
    if name == "fold_audit" and not FOLD_COLUMNS <= set(table.columns):
        raise errors.InputError(f"{path}: lacks one of {sorted(FOLD_COLUMNS)}.")
    return table


def _check_scores(run: Run) -> None:
    """Refuse scores that no table can be made of."""
    for name in ("segmentation", "diagnosis", "comparison"):
        scores = getattr(run, name)
        if scores is None:
            continue
        task = "segmentation" if name == "segmentation" else "diagnosis"
        try:
            score_tables.make_table(task, scores)
        except WRONG as error:
            raise errors.InputError(
                f"{run.paths[name]}: is not a file of scores: "
                f"{type(error).__name__} {error}."
            ) from error
