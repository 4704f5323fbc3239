"""The readings table: who rated which film, with what help, and what was true.

One row a reading. Nothing is repaired: a study that is not whole, or whose truth
changes on the way, is refused in one sentence.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rds_tf import errors
from rds_tf.data import cohort

REQUIRED = ["reader", "treatment", "case", "truth", "rating"]
OPTIONAL = ["decision", "seconds", "session"]
KEYS = REQUIRED[:3]
MIDPOINT = 50  # of ratings from 0 to 100: from here on a rating says "yes"


class Study(NamedTuple):
    """A whole study as arrays, treatments and readers in natural order.

    Attributes:
        truth: bool `(N,)`, whether the case has the disease.
        ratings: float `(2, R, N)`, by treatment, reader and case.
        decisions: bool `(2, R, N)`, or None where they are not known.
        seconds: float `(2, R, N)`, NaN where it was not noted, or None.
        treatments, readers, cases: names, in the order of the axes.
    """

    truth: np.ndarray
    ratings: np.ndarray
    decisions: np.ndarray | None
    seconds: np.ndarray | None
    treatments: list[str]
    readers: list[str]
    cases: list[str]


def load_readings(path: str | Path) -> pd.DataFrame:
    """Load the readings of a study from a CSV, and check them.

    Args:
        path: CSV with `reader, treatment, case, truth, rating` and, where noted,
            `decision, seconds, session`; comma, semicolon or tab; UTF-8 with or
            without a mark, UTF-16 or CP949.

    Returns:
        The table of `check_readings`.

    Raises:
        ValueError: the file cannot be read, or as for `check_readings`.
    """
    path = Path(path)
    rows = cohort.read_table(path, REQUIRED)
    lines, cells = [line for line, _ in rows], [row for _, row in rows]
    for line, row in rows:
        if None in row:
            raise errors.InputError(
                f"{path.name}, row {line}: more cells than the header."
            )
    return check_readings(pd.DataFrame(cells, index=lines), path.name)


def check_readings(table: pd.DataFrame, source: str = "readings") -> pd.DataFrame:
    """Check a readings table for the test of two treatments.

    Args:
        table: columns `reader`, `treatment`, `case`, `truth` and `rating`, and at will
            `decision`, `seconds` and `session`; the index names the rows in messages.
        source: name of the table in messages.

    Returns:
        A table with those columns only, sorted by treatment, reader and case: names
        as text, `truth` and `decision` 0 or 1, `rating` and `seconds` float (a missing
        time is NaN). A column of decisions or seconds without any entry is left out.

    Raises:
        ValueError: a column is missing; there is no reading; a cell is not what its
            column holds; a reading stands twice; the truth of a case changes; there
            are not two treatments, two readers and two cases of each class or more; a
            reading is missing.
    """
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise errors.InputError(f"{source} has no column {', '.join(missing)}.")
    if table.empty:
        raise errors.InputError(f"{source} holds no reading.")
    table = table[[name for name in REQUIRED + OPTIONAL if name in table]].copy()
    for name in KEYS:
        table[name] = _read_names(table[name], source)
    table["truth"] = _read_flags(table["truth"], source)
    table["rating"] = _read_numbers(table["rating"], source)
    for name, read in (("decision", _read_flags), ("seconds", _read_seconds)):
        if name in table:
            if _is_blank(table[name]).all():
                table = table.drop(columns=name)
            else:
                table[name] = read(table[name], source)
    _check_design(table, source)
    places = {name: _rank(table[name]) for name in KEYS}
    order = np.lexsort([places["case"], places["reader"], places["treatment"]])
    return table.iloc[order].reset_index(drop=True)


def to_arrays(table: pd.DataFrame) -> Study:
    """Lay a table of `check_readings` out as arrays.

    Decisions are the readers' own or, where none was noted, `rating >= MIDPOINT`;
    None where the ratings do not reach over that midpoint, as on a scale of 1 to 5.
    """
    names = {name: list(dict.fromkeys(table[name])) for name in KEYS}
    shape = [len(names[name]) for name in ("treatment", "reader", "case")]
    ratings, truth = (table[n].to_numpy().reshape(shape) for n in ("rating", "truth"))
    decisions = seconds = None
    if "decision" in table:
        decisions = table["decision"].to_numpy().reshape(shape) == 1
    elif (ratings < MIDPOINT).any() and (ratings >= MIDPOINT).any():
        decisions = ratings >= MIDPOINT
    if "seconds" in table:
        seconds = table["seconds"].to_numpy().reshape(shape)
    order = names["treatment"], names["reader"], names["case"]
    return Study(truth[0, 0] == 1, ratings, decisions, seconds, *order)


def _check_design(table: pd.DataFrame, source: str) -> None:
    """Refuse what is not two treatments, each read by every reader on every case."""
    twice = table[table.duplicated(KEYS)]
    if len(twice):
        raise errors.InputError(
            f"{source}, row {twice.index[0]}: {_name(twice.iloc[0])} was read before; "
            "keep one reading."
        )
    changed = table.groupby("case")["truth"].transform("nunique") > 1
    if changed.any():
        case = table.loc[changed, "case"].iloc[0]
        raise errors.InputError(f"{source}: the truth of case {case} is both 0 and 1.")
    treatments, readers, cases = (
        sorted(set(table[name]), key=_natural)
        for name in ("treatment", "reader", "case")
    )
    if len(treatments) != 2:
        raise errors.InputError(
            f"{source}: the test compares two treatments, so the table must hold "
            f"exactly two. Received {len(treatments)}: {', '.join(treatments)}."
        )
    if len(readers) < 2:
        raise errors.InputError(
            f"{source}: the only reader is {readers[0]}, but what holds for readers in "
            "general takes two or more; of one reader `comparison.delong` compares "
            "the two treatments."
        )
    counts = table.drop_duplicates("case")["truth"].value_counts()
    counts = counts.reindex([1, 0], fill_value=0)
    if counts.min() < 2:
        raise errors.InputError(
            f"{source}: there must be two cases with truth 1 and two with truth 0 or "
            f"more. Received {counts[1]} and {counts[0]}."
        )
    whole = pd.MultiIndex.from_product([readers, treatments, cases], names=KEYS)
    absent = whole[~whole.isin(pd.MultiIndex.from_frame(table[KEYS]))]
    if len(absent):
        first = dict(zip(KEYS, absent[0], strict=True))
        raise errors.InputError(
            f"{source}: every reader must read every case with both treatments, but "
            f"{len(absent)} of {len(whole)} readings are missing, the first of them "
            f"{_name(first)}."
        )


def _name(reading) -> str:
    return ", ".join(f"{name} {reading[name]}" for name in KEYS)


def _read_names(column: pd.Series, source: str) -> pd.Series:
    blank = _is_blank(column)
    if blank.any():
        row = column.index[blank][0]
        raise errors.InputError(f"{source}, row {row}: the {column.name} is empty.")
    return column.astype(str).str.strip()


def _read_flags(column: pd.Series, source: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    _refuse(column, ~numbers.isin([0, 1]), source, "0 or 1")
    return numbers.astype(int)


def _read_numbers(column: pd.Series, source: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    _refuse(column, ~np.isfinite(numbers), source, "a finite number")
    return numbers


def _read_seconds(column: pd.Series, source: str) -> pd.Series:
    blank = _is_blank(column)
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    is_right = blank | (np.isfinite(numbers) & (numbers >= 0))
    _refuse(column, ~is_right, source, "a number of 0 or more, or nothing")
    return numbers.where(~blank)


def _refuse(column: pd.Series, is_wrong: pd.Series, source: str, wanted: str) -> None:
    if is_wrong.any():
        row = column.index[is_wrong][0]
        cell = "" if _is_blank(column[is_wrong]).iloc[0] else column[is_wrong].iloc[0]
        raise errors.InputError(
            f'{source}, row {row}: the {column.name} is "{cell}", expected {wanted}.'
        )


def _is_blank(column: pd.Series) -> pd.Series:
    return column.isna() | (column.astype(str).str.strip() == "")


def _rank(column: pd.Series) -> np.ndarray:
    order = {name: i for i, name in enumerate(sorted(set(column), key=_natural))}
    return column.map(order).to_numpy()


def _natural(name: str) -> list:
    """Sort `reader 2` before `reader 10`."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part.casefold() for part in parts]
