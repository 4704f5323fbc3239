"""The table of a prepared folder, and the record of each case that it is made from."""

import functools
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from rds_tf import config
from rds_tf.data import cohort, duplicates, folds
from rds_tf.storage import disk

COLUMNS = [
    *("case_id", "patient_id", "rds", "exist_json", "fold", "image", "mask"),
    *("height", "width", "roi_area", "filepath", "bits_stored", "pixel_sha256"),
    *("near_duplicate_of", "notes"),
]
INTEGERS = ("rds", "exist_json", "fold", "height", "width", "bits_stored")
OLD_NAMES = {"alike": "near_duplicate_of", "look": "thumbnail"}  # of earlier versions
AREA_TOLERANCE = 0.01  # by which table and outline may differ


def load(prepared: str | Path) -> pd.DataFrame:
    """Load the table of a folder that `prepare` wrote.

    Returns:
        One row a case; texts are "" where empty, `roi_area` nan.

    Raises:
        cohort.CohortError: there is no manifest, it is no table, lacks a column, or
            holds a cell that `prepare` never writes, or its folds leak.
    """
    path = Path(prepared) / "manifest.csv"
    if not path.is_file():
        raise cohort.CohortError(f"{prepared} is not prepared: it has no manifest.csv.")
    try:
        text = disk.read_whole(path, cohort.MAX_BYTES).decode()
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except OSError as error:
        raise cohort.CohortError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:  # of UTF-8, and of pandas
        cause = " ".join(str(error).split()).rstrip(".")
        raise cohort.CohortError(f"{path} is not a table: {cause}.") from error
    table = table.rename(columns=_rename(table.columns, str(path)))
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise cohort.CohortError(
            f"{path} has no column {', '.join(missing)}; prepare the cohort again."
        )
    _check_cells(table, path)
    table["roi_area"] = table["roi_area"].replace("", "nan").astype(float)
    return folds.refuse_leaks(table.astype(dict.fromkeys(INTEGERS, int)), path)


def _rename(names: pd.Index | dict, place: str) -> dict[str, str]:
    """Return the new names of the old ones among `names`, and print a note."""
    found = {old: new for old, new in OLD_NAMES.items() if old in names}
    for old, new in found.items():
        _print_once(f"{place}: `{old}` is read as `{new}`, its name today.")
    return found


@functools.cache
def _print_once(note: str) -> None:
    print(note)


def _check_cells(table: pd.DataFrame, path: Path) -> None:
    """Refuse a row that `prepare` never writes, and a case that stands twice."""
    for name, (is_good, expected) in _RULES.items():
        for row, cell in enumerate(table[name], start=2):
            if not is_good(cell):
                raise cohort.CohortError(
                    f"{path}, row {row}: the {name} is {cell[:40]!r}, not {expected}."
                )
    twice = table["case_id"][table["case_id"].duplicated()]
    if len(twice):
        raise cohort.CohortError(f"{path}: the case {twice.iloc[0]} stands twice.")


def _among(numbers: range) -> tuple[Callable[[str], bool], str]:
    return set(map(str, numbers)).__contains__, f"{numbers[0]} to {numbers[-1]}"


def _is_area(cell: str) -> bool:
    try:
        return cell == "" or 0 <= float(cell) < math.inf
    except ValueError:
        return False


def _is_inside(cell: str) -> bool:
    """Say whether a path stays below the folder that it is joined to."""
    path = PureWindowsPath(cell)  # splits at both kinds of slashes
    return "\0" not in cell and not path.anchor and ".." not in path.parts


def _is_name(cell: str) -> bool:
    return _is_inside(cell) and PureWindowsPath(cell).name == cell != ""


_RULES = {
    "case_id": (_is_name, "a file's name"),
    "patient_id": (bool, "a name"),
    "image": (lambda cell: cell != "" and _is_inside(cell), "a path in the folder"),
    "mask": (_is_inside, "a path in the folder"),
    "rds": _among(range(2)),
    "exist_json": _among(range(2)),
    "fold": _among(range(config.NUM_FOLDS)),
    "height": _among(range(1, 65_536)),
    "width": _among(range(1, 65_536)),
    "bits_stored": _among(range(1, 17)),
    "roi_area": (_is_area, "an area"),
    "pixel_sha256": (re.compile("[0-9a-f]{64}").fullmatch, "a SHA-256"),
}


def record_path(prepared: Path, case_id: str) -> Path:
    """Return where the record of a case lies."""
    return prepared / "records" / f"{case_id}.json"


def read_record(path: Path) -> dict:
    """Read the record that `prepare.prepare_case` wrote of a case.

    Raises:
        OSError: there is none.
        ValueError: it is damaged.
    """
    record = json.loads(path.read_bytes())
    if isinstance(record, dict):
        new_names = _rename(record, str(path.parent))
        record = {new_names.get(name, name): value for name, value in record.items()}
        if _is_whole(record):
            return record
    raise ValueError(f"{path} is no record of a case.")


def _is_whole(record: dict) -> bool:
    """Say whether each part of a record is of its kind."""
    texts = ("image", "mask", "pixel_sha256", "thumbnail", "patient_id")
    kinds = dict.fromkeys(texts, str)
    kinds |= dict.fromkeys(("height", "width", "bits_stored"), int)
    kinds |= {"notes": list, "stamp": list, "roi_area": int | float | None}
    return (
        all(n in record and isinstance(record[n], kind) for n, kind in kinds.items())
        and all(isinstance(note, str) for note in record["notes"])
        and duplicates.is_thumbnail(record["thumbnail"])
    )


def join(cases: pd.DataFrame, prepared: Path) -> pd.DataFrame:
    """Join the rows of the case table with the records of their files.

    Args:
        cases: as of `cohort.load_cohort`; each has its record.
        prepared: folder that holds the records, of which one is in memory at a time.

    Returns:
        One row a case, with the columns of the manifest but for `fold`, and with the
        DICOM `pseudonym`; `notes` is a list of texts.
    """
    columns = [name for name in COLUMNS if name not in ("fold", "near_duplicate_of")]
    columns.append("pseudonym")
    thumbnails = np.empty((len(cases), duplicates.SIDE_PX**2), np.uint8)
    rows = []
    for thumbnail, case in zip(thumbnails, cases.itertuples(index=False), strict=True):
        record = read_record(record_path(prepared, case.case_id))
        thumbnail[:] = duplicates.read_thumbnail(record["thumbnail"])
        row = _join_case(case._asdict(), record)
        rows.append([row[name] for name in columns])
    table = pd.DataFrame(rows, columns=columns)
    near = duplicates.find_near_duplicates([*table["case_id"]], thumbnails)
    table = table.assign(near_duplicate_of=near)
    for case in table.itertuples():
        other = case.near_duplicate_of
        if other not in ("", case.case_id):
            case.notes.append(f"looks like {other}: one film stored twice?")
    return table


def _join_case(case: dict, record: dict) -> dict:
    """Join a case with its record, which is right where they differ; note where."""
    notes = list(record["notes"])
    area = record["roi_area"]
    if area is None:
        area = float("nan")  # a table may say 0
    elif abs(case["roi_area"] - area) > AREA_TOLERANCE * area:
        notes.append(f"roi_area is {case['roi_area']:g} in the table, {area:g} drawn")
    for side in ("height", "width"):
        if abs(case[side] - record[side]) > 0:  # not where the table has none, nan
            notes.append(f"{side} is {case[side]:g} in the table, {record[side]} here")
    known = {"patient_id": case["patient_id"], "pseudonym": record["patient_id"]}
    return {**case, **record, **known, "roi_area": area, "notes": notes}


def delete_unlisted(prepared: Path, table: pd.DataFrame) -> int:
    """Delete image, mask and record of each case that is no longer in the manifest.

    A patient who takes back consent leaves the table, and must not stay in the folder.
    Files without a record of `prepare` stay. Returns the number of deleted cases.
    """
    listed, count = set(table["case_id"]), 0
    for record in sorted(prepared.glob("records/*.json")):
        if record.stem not in listed:
            for kind in ("images", "masks"):
                (prepared / kind / f"{record.stem}.png").unlink(missing_ok=True)
            record.unlink()
            count += 1
    return count
