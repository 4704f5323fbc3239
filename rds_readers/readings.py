"""The readings table: who rated which image, with what help, and what was true.

One row a reading. Nothing is repaired: a study that is incomplete, or whose truth
contradicts itself, is refused in one sentence.
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
MIDPOINT = 50  # of ratings from 0 to 100: from here on a rating means "yes"


class Study(NamedTuple):
    """A complete study as arrays, treatments and readers in natural order.

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
        errors.InputError: the file cannot be read, or as for `check_readings`.
    """
    path = Path(path)
    rows = cohort.read_table(path, REQUIRED)
    for line, row in rows:
        if None in row:
            raise errors.InputError(
                f"{path.name}, row {line}: more cells than the header."
            )
    table = pd.DataFrame([row for _, row in rows], index=[line for line, _ in rows])
    return check_readings(table, path.name)


def check_readings(table: pd.DataFrame, source: str = "readings") -> pd.DataFrame:
    """Check a readings table for the test of two treatments.

    Args:
        table: columns `reader`, `treatment`, `case`, `truth` and `rating`, and
            optionally `decision`, `seconds` and `session`; the index names the rows
            in messages.
        source: name of the table in messages.

    Returns:
        A table with those columns only, sorted by treatment, reader and case: names
        as text, `truth` and `decision` 0 or 1, `rating` and `seconds` float (a missing
        time is NaN). A column of decisions or seconds without any entry is left out.

    Raises:
        errors.InputError: a column is missing; there is no reading; a cell is not what
            its column holds; a reading occurs twice; the truth of a case changes;
            there are not two treatments, two readers and two cases of each class or
            more; a reading is missing.
    """
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise errors.InputError(f"{source} has no column {', '.join(missing)}.")
    if table.empty:
        raise errors.InputError(f"{source} holds no reading.")
    table = table[[name for name in REQUIRED + OPTIONAL if name in table]].copy()
    for name in ("decision", "seconds"):
        if name in table and _is_blank(table[name]).all():
            table = table.drop(columns=name)
    for name in KEYS:
        blank = _is_blank(table[name])
        if blank.any():
            row = table.index[blank][0]
            raise errors.InputError(f"{source}, row {row}: the {name} is empty.")
        table[name] = table[name].astype(str).str.strip()
    for name in ("truth", "rating", "decision", "seconds"):
        if name in table:
            table[name] = _read_numbers(table[name], source)
    _check_complete(table, source)
    ranks = [
        table[name].map({one: i for i, one in enumerate(_sort_names(table[name]))})
        for name in ("case", "reader", "treatment")  # the last one counts first
    ]
    return table.iloc[np.lexsort(ranks)].reset_index(drop=True)


def to_arrays(table: pd.DataFrame) -> Study:
    """Lay a table of `check_readings` out as arrays.

    Decisions are the readers' own or, where none was noted, `rating >= MIDPOINT`;
    None where the ratings do not reach over that midpoint, as on a scale of 1 to 5.
    """
    names = [list(dict.fromkeys(table[key])) for key in ("treatment", "reader", "case")]
    columns = {
        name: table[name].to_numpy().reshape([len(one) for one in names])
        for name in ("truth", "rating", "decision", "seconds")
        if name in table
    }
    ratings, decisions = columns["rating"], None
    if "decision" in columns:
        decisions = columns["decision"] == 1
    elif (ratings < MIDPOINT).any() and (ratings >= MIDPOINT).any():
        decisions = ratings >= MIDPOINT
    truth = columns["truth"][0, 0] == 1
    return Study(truth, ratings, decisions, columns.get("seconds"), *names)


def _check_complete(table: pd.DataFrame, source: str) -> None:
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
    readers, treatments, cases = (_sort_names(table[name]) for name in KEYS)
    if len(treatments) != 2:
        raise errors.InputError(
            f"{source}: the test compares two treatments, so the table must hold "
            f"exactly two. Received {len(treatments)}: {', '.join(treatments)}."
        )
    if len(readers) < 2:
        raise errors.InputError(
            f"{source}: the only reader is {readers[0]}, but what holds for readers in "
            "general takes two or more; of one reader `paired_tests.delong` compares "
            "the two treatments."
        )
    counts = table.drop_duplicates("case")["truth"].value_counts()
    counts = counts.reindex([1, 0], fill_value=0)
    if counts.min() < 2:
        raise errors.InputError(
            f"{source}: there must be two cases with truth 1 and two with truth 0 or "
            f"more. Received {counts[1]} and {counts[0]}."
        )
    complete = pd.MultiIndex.from_product([readers, treatments, cases], names=KEYS)
    absent = complete[~complete.isin(pd.MultiIndex.from_frame(table[KEYS]))]
    if len(absent):
        first = dict(zip(KEYS, absent[0], strict=True))
        raise errors.InputError(
            f"{source}: every reader must read every case with both treatments, but "
            f"{len(absent)} of {len(complete)} readings are missing, the first of them "
            f"{_name(first)}."
        )


def _name(reading) -> str:
    return ", ".join(f"{name} {reading[name]}" for name in KEYS)


def _read_numbers(column: pd.Series, source: str) -> pd.Series:
    """Read a column of numbers, or refuse the first cell that is not what it holds."""
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    blank = _is_blank(column)
    if column.name == "seconds":
        wrong = ~(blank | (np.isfinite(numbers) & (numbers >= 0)))
        expected = "a number of 0 or more, or nothing"
    elif column.name == "rating":
        wrong, expected = ~np.isfinite(numbers), "a finite number"
    else:
        wrong, expected = ~numbers.isin([0, 1]), "0 or 1"
    if wrong.any():
        row = column.index[wrong][0]
        cell = "" if blank[wrong].iloc[0] else column[wrong].iloc[0]
        raise errors.InputError(
            f'{source}, row {row}: the {column.name} is "{cell}", expected {expected}.'
        )
    return numbers.astype(int) if expected == "0 or 1" else numbers.where(~blank)


def _is_blank(column: pd.Series) -> pd.Series:
    return column.isna() | (column.astype(str).str.strip() == "")


def _sort_names(column: pd.Series) -> list[str]:
    """Return the names of a column in natural order: `reader 2` before `reader 10`."""

    def split(name: str) -> list:
        parts = re.split(r"(\d+)", name)
        return [int(part) if part.isdecimal() else part.casefold() for part in parts]

    return sorted(set(column), key=split)
