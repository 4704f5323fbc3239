"""What readers answered: one row an answer, on disk before the next image shows.

A rollback journal with full synchronisation is chosen over a write-ahead log: the
store is then one file, so that a copy of a stopped study is complete.
"""

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from rds_readers import design
from rds_tf import config, errors
from rds_tf.storage import disk

FILE = "answers.sqlite"
COLUMNS = ["reader", "treatment", "case", "truth", "rating", "decision", "seconds"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    reader TEXT NOT NULL, session INTEGER NOT NULL, "case" TEXT NOT NULL,
    step TEXT NOT NULL, rating REAL NOT NULL CHECK (rating BETWEEN 0 AND 100),
    decision INTEGER NOT NULL CHECK (decision IN (0, 1)),
    seconds REAL CHECK (seconds >= 0), at TEXT NOT NULL,
    UNIQUE (reader, session, "case", step));
CREATE TABLE IF NOT EXISTS shown (
    reader TEXT NOT NULL, session INTEGER NOT NULL, "case" TEXT NOT NULL,
    step TEXT NOT NULL, at TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS answers_stay BEFORE UPDATE ON answers
BEGIN SELECT RAISE(ABORT, 'an answer is never changed'); END;
CREATE TRIGGER IF NOT EXISTS answers_last BEFORE DELETE ON answers
BEGIN SELECT RAISE(ABORT, 'an answer is never deleted'); END;
"""


class Answers:
    """The plan and the answers of one pack, for any number of readers and processes.

    Raises:
        FileNotFoundError: the folder is not a pack.
        errors.InputError: its plan cannot be read.
    """

    def __init__(self, pack: str | Path) -> None:
        """Open a pack, and make its store if there is none yet."""
        self.pack = Path(pack)
        self.plan = read_plan(self.pack)
        self.sessions = {e["reader"]: e["sessions"] for e in self.plan["readers"]}
        self.finding = str(self.plan.get("finding", config.FINDING))
        with self._connect() as connection:
            connection.executescript(SCHEMA)

    def find_due(
        self, reader: str, now: datetime | None = None
    ) -> design.Due | design.Wait | None:
        """Find what a reader has to read now; see `design.find_due`."""
        with self._connect() as connection:
            return self._find_due(connection, reader, now or datetime.now(UTC))

    def note_shown(
        self, reader: str, due: design.Due, now: datetime | None = None
    ) -> None:
        """Write down that an image was shown; twice means that it was interrupted."""
        row = (reader, *due.key, _write_time(now or datetime.now(UTC)))
        with self._connect() as connection:
            connection.execute("INSERT INTO shown VALUES (?, ?, ?, ?, ?)", row)

    def find_answer(self, reader: str, place: design.Place) -> tuple[float, int] | None:
        """Return rating and decision of an answer, None if there is none."""
        with self._connect() as connection:
            return connection.execute(
                "SELECT rating, decision FROM answers "
                'WHERE reader = ? AND session = ? AND "case" = ? AND step = ?',
                (reader, *place),
            ).fetchone()

    def add(
        self,
        reader: str,
        place: design.Place,
        *,
        rating: float,
        decision: int,
        seconds: float | None = None,
        now: datetime | None = None,
    ) -> bool:
        """Store an answer for good; when this returns it is on disk.

        Args:
            reader: who answers.
            place: what is answered; a tuple of session, case and step serves too.
            rating: float in `[0, 100]`, how likely the finding is.
            decision: 0 or 1.
            seconds: float, from shown to answered; None if not known.
            now: UTC, default the clock's.

        Returns:
            False if the place holds an answer already: that one stays.

        Raises:
            errors.InputError: the answer is out of range, or the place is not due.
            OSError: it cannot be written; what was stored before stays.
        """
        _check(place, rating, decision)
        now = now or datetime.now(UTC)
        row = (reader, *place, rating, decision, seconds, _write_time(now))
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")  # one writer at a time
            if place in self._load_answered(connection, reader):
                return False
            due = self._find_due(connection, reader, now)
            if not isinstance(due, design.Due) or due.key != place:
                raise errors.InputError(
                    f"Reader {reader}: {tuple(place)} is not what is due now."
                )
            connection.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
            )
            connection.execute("COMMIT")
        return True

    def check_files(self) -> None:
        """Find out before a study and not within it that a file is missing.

        Raises:
            FileNotFoundError: one is.
        """
        every = (e for lists in self.sessions.values() for part in lists for e in part)
        for entry in every:
            names = [f"films/{entry['case']}.png"]
            if design.WITH_MODEL in entry["steps"]:
                names += [f"model/{entry['case']}.{kind}" for kind in ("json", "png")]
            for name in names:
                if not (self.pack / name).is_file():
                    raise FileNotFoundError(
                        f"{self.pack / name}: is missing, the pack is incomplete."
                    )

    def _find_due(
        self, connection, reader: str, now: datetime
    ) -> design.Due | design.Wait | None:
        answered = self._load_answered(connection, reader)
        days = self.plan["washout_days"]
        return design.find_due(self.sessions[reader], answered, days, now)

    def _load_answered(self, connection, reader: str) -> dict:
        rows = connection.execute(
            'SELECT session, "case", step, at FROM answers WHERE reader = ?', (reader,)
        )
        return {tuple(place): datetime.fromisoformat(at) for *place, at in rows}

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        path = self.pack / FILE
        try:
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("PRAGMA synchronous = EXTRA")
                yield connection
        except sqlite3.OperationalError as error:  # a full disk, no right to write
            raise OSError(f"Cannot write {path}: {error}.") from error


def read_plan(pack: str | Path) -> dict:
    """Read the plan of a pack.

    Raises:
        FileNotFoundError: the folder is not a pack, or one half written.
        errors.InputError: the plan cannot be read.
    """
    path = Path(pack) / "plan.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{pack}: is not a pack of `study plan`, it has no plan.json."
        )
    return disk.read_record(path, ("order", "washout_days", "readers"))


def load_answers(pack: str | Path, key: str | Path | None = None) -> pd.DataFrame:
    """Load the answers of a pack with the truth: the readings table of a study.

    Args:
        pack: folder written by `study plan`.
        key: CSV of `case` and `truth`, default `<pack>_key.csv` beside the folder.

    Returns:
        Columns `reader, treatment, case, truth, rating, decision, seconds, session`,
        one row an answer; rating in `[0, 100]`.

    Raises:
        FileNotFoundError: the pack, its answers or the key are missing.
        errors.InputError: nobody has answered yet, or the key lacks a case.
    """
    pack = Path(pack).resolve()
    read_plan(pack)
    path, key = pack / FILE, Path(key or pack.with_name(f"{pack.name}_key.csv"))
    for file, words in ((path, "nobody has signed in yet"), (key, "give it by --key")):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: is missing: {words}.")
    address = f"file:{quote(str(path))}?mode=rw"  # may undo an interrupted write
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        table = pd.read_sql_query(
            'SELECT reader, step AS treatment, "case", rating, decision, seconds, '
            'session FROM answers ORDER BY reader, session, "case", step',
            connection,
        )
    if table.empty:
        raise errors.InputError(f"{path}: holds no answer yet.")
    truth = pd.read_csv(key, dtype={"case": str})
    if not {"case", "truth"} <= set(truth) or truth["case"].duplicated().any():
        raise errors.InputError(
            f"{key}: must have columns case and truth, each case once."
        )
    missing = sorted(set(table["case"]) - set(truth["case"]))
    if missing:
        raise errors.InputError(
            f"{key}: has no case {missing[0]}, which was read; wrong key?"
        )
    table = table.merge(truth[["case", "truth"]], on="case", validate="many_to_one")
    return table[[*COLUMNS, "session"]]


def _check(place, rating, decision) -> None:
    if [type(part) for part in place] != [int, str, str]:
        raise errors.InputError(
            f"`place` must be session, case, step. Received: {place!r}"
        )
    is_number = type(rating) in (int, float) and math.isfinite(rating)
    if not is_number or not 0 <= rating <= 100:
        raise errors.InputError(f"`rating` must lie in [0, 100]. Received: {rating!r}")
    if type(decision) is not int or decision not in (0, 1):
        raise errors.InputError(f"`decision` must be 0 or 1. Received: {decision!r}")


def _write_time(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")
