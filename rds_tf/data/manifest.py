"""The table of a prepared folder: its columns, and what each of its cells may hold."""

import io
import math
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import pandas as pd

from rds_tf import config
from rds_tf.data import cohort, duplicates, folds
from rds_tf.storage import disk

COLUMNS = [
    *("case_id", "patient_id", "rds", "exist_json", "fold", "image", "mask"),
    *("height", "width", "roi_area", "filepath", "bits_stored", "pixel_sha256"),
    *("alike", "notes"),
]
JOINED = [*(n for n in COLUMNS if n not in ("fold", "alike")), "pseudonym"]
AREA_TOLERANCE = 0.01
INTEGERS = ("rds", "exist_json", "fold", "height", "width", "bits_stored")


def load(prepared: str | Path) -> pd.DataFrame:
    """Load the table of a prepared folder.

    Args:
        prepared: folder that `prepare` wrote.

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
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise cohort.CohortError(
            f"{path} has no column {', '.join(missing)}; prepare the cohort again."
        )
    _check_cells(table, path)
    table["roi_area"] = table["roi_area"].replace("", "nan").astype(float)
    return folds.refuse_leaks(table.astype(dict.fromkeys(INTEGERS, int)), path)


def make_row(case: dict, record: dict) -> list:
    """Join what the cohort's table says of a case with what its files hold.

    Args:
        case: its row in the table.
        record: what `prepare.prepare_case` wrote of it.

    Returns:
        The values of `JOINED`; `notes` is a list, of where the two differ, too. The
        files are right.
    """
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
    joined = {**case, **record, **known, "roi_area": area, "notes": notes}
    return [joined[name] for name in JOINED]


def add_alike(table: pd.DataFrame, alike: list[str]) -> pd.DataFrame:
    """Add `alike`, of `duplicates.find_near_duplicates`; note another case."""
    for case_id, notes, first in zip(
        table["case_id"], table["notes"], alike, strict=True
    ):
        if first not in ("", case_id):
            notes.append(f"looks like {first}: one film stored twice?")
    return table.assign(alike=alike)


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


def delete_unlisted(folder: str | Path, table: pd.DataFrame) -> int:
    """Delete image, mask and record of each case that is no longer in the manifest.

    A patient who takes back consent leaves the table, and must not stay in the folder.

    Returns:
        How many cases were deleted; only such as have a record of `prepare`.
    """
    listed, count = set(table["case_id"]), 0
    for record in sorted(Path(folder).glob("records/*.json")):
        if record.stem not in listed:
            for kind in ("images", "masks"):
                (Path(folder) / kind / f"{record.stem}.png").unlink(missing_ok=True)
            record.unlink()
            count += 1
    return count


def _among(numbers: range) -> tuple[Callable[[str], bool], str]:
    texts = {str(number) for number in numbers}
    return texts.__contains__, f"{numbers[0]} to {numbers[-1]}"


def _is_area(cell: str) -> bool:
    try:
        return cell == "" or 0 <= float(cell) < math.inf
    except ValueError:
        return False


def _is_inside(cell: str) -> bool:
    """Say whether a path stays below the folder that it is joined to."""
    path = PureWindowsPath(cell)  # it parts at both kinds of slashes
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


def is_whole(record: dict) -> bool:
    """Say whether each part of a record of `prepare` is of its kind."""
    texts = ("image", "mask", "pixel_sha256", "look", "patient_id")
    kinds = dict.fromkeys(texts, str)
    kinds |= dict.fromkeys(("height", "width", "bits_stored"), int)
    kinds |= {"notes": list, "roi_area": int | float | None}
    return (
        all(isinstance(record[name], kind) for name, kind in kinds.items())
        and all(isinstance(note, str) for note in record["notes"])
        and duplicates.is_thumbnail(record["look"])
    )
