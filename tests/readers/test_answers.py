"""Answers: in order, once, on disk, and the same for every process."""

import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from rds_readers import answers, design
from rds_tf.storage import disk

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOTH = ["alone", "with model"]


def write_plan(folder, sessions, order="sequential", washout_days=0):
    readers = [{"reader": name, "sessions": sessions} for name in ("R1", "R2")]
    plan = {"order": order, "washout_days": washout_days, "readers": readers}
    disk.write_json(folder / "pack" / "plan.json", plan)
    return folder / "pack"


@pytest.fixture
def pack(tmp_path):
    cases = [{"case": "C2", "steps": BOTH}, {"case": "C1", "steps": BOTH}]
    return write_plan(tmp_path, [cases])


@pytest.fixture
def key(pack):
    path = pack.with_name("pack_key.csv")
    path.write_text("case,case_id,patient_id,truth\nC1,x,P,0\nC2,y,Q,1\n")
    return path


def read_rows(pack):
    with contextlib.closing(sqlite3.connect(pack / "answers.sqlite")) as connection:
        return connection.execute("SELECT * FROM answers").fetchall()


def test_a_reader_is_led_through_every_step_in_the_order_of_the_plan(pack):
    room, seen = answers.Answers(pack), []
    for _ in range(4):
        due = room.find_due("R1")
        seen.append((due.case, due.step, due.place, due.total))
        assert room.add("R1", due.key, rating=60, decision=1, seconds=1.5)
    alone, with_model = BOTH
    assert seen == [
        ("C2", alone, 1, 2),
        ("C2", with_model, 1, 2),
        ("C1", alone, 2, 2),
        ("C1", with_model, 2, 2),
    ]
    assert room.find_due("R1") is None
    assert room.find_due("R2").place == 1, "another reader is where he was"


def test_the_first_answer_is_locked(pack):
    room = answers.Answers(pack)
    assert room.add("R1", (1, "C2", "alone"), rating=30, decision=0, seconds=2.0)
    assert not room.add("R1", (1, "C2", "alone"), rating=90, decision=1, seconds=3.0)
    assert room.find_answer("R1", (1, "C2", "alone")) == (30, 0)
    with contextlib.closing(sqlite3.connect(pack / "answers.sqlite")) as connection:
        for change in ("UPDATE answers SET rating = 90", "DELETE FROM answers"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(change)
        row = connection.execute("SELECT * FROM answers").fetchone()
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            connection.execute("INSERT INTO answers VALUES (?,?,?,?,?,?,?,?)", row)


@pytest.mark.parametrize(
    "place", [(1, "C2", "with model"), (1, "C1", "alone"), (2, "C2", "alone")]
)
def test_only_what_is_due_can_be_answered(pack, place):
    room = answers.Answers(pack)
    with pytest.raises(ValueError, match="not what is due"):
        room.add("R1", place, rating=50, decision=1)
    assert read_rows(pack) == []


@pytest.mark.parametrize(
    ("rating", "decision"),
    [(-1, 1), (101, 1), (float("nan"), 1), ("50", 1), (None, 0), (True, 1)]
    + [(50, 2), (50, None), (50, "1"), (50, True), (50, 0.5)],
)
def test_an_answer_out_of_range_is_refused(pack, rating, decision):
    room = answers.Answers(pack)
    with pytest.raises(ValueError, match="Received"):
        room.add("R1", (1, "C2", "alone"), rating=rating, decision=decision)
    assert read_rows(pack) == []


@pytest.mark.parametrize(
    "place", [(), (1, "C2"), (1, ["C2"], "alone"), ("1", "C2", "alone")]
)
def test_a_place_of_another_shape_is_refused(pack, place):
    with pytest.raises(ValueError, match="`place` must be"):
        answers.Answers(pack).add("R1", place, rating=50, decision=1)


def test_second_session_opens_when_the_washout_since_the_last_answer_is_over(tmp_path):
    sessions = [[{"case": "C1", "steps": ["alone"]}]]
    sessions += [[{"case": "C1", "steps": ["with model"]}]]
    room = answers.Answers(write_plan(tmp_path, sessions, "crossover", 14))
    room.add("R1", (1, "C1", "alone"), rating=50, decision=1, now=NOON)
    opens = NOON + timedelta(days=14)
    early = opens - timedelta(seconds=1)
    assert room.find_due("R1", early) == design.Wait(opens)
    with pytest.raises(ValueError, match="not what is due"):
        room.add("R1", (2, "C1", "with model"), rating=50, decision=1, now=early)
    assert room.find_due("R1", opens) == design.Due(2, "C1", "with model", 1, 1)
    assert room.add("R1", (2, "C1", "with model"), rating=50, decision=1, now=opens)
    assert room.find_due("R1", opens) is None


WRITER = """
import sys
from rds_readers import answers
room = answers.Answers(sys.argv[1])
stored = 0
for case in ("C2", "C1"):
    for step in ("alone", "with model"):
        stored += room.add(sys.argv[2], (1, case, step), rating=50, decision=1)
print(stored)
"""


def test_processes_that_write_at_once_neither_lose_nor_double_an_answer(pack):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(pack), reader],
            stdout=subprocess.PIPE,
            text=True,
        )
        for reader in ("R1", "R1", "R2")
    ]
    stored = [int(writer.communicate(timeout=60)[0]) for writer in writers]
    assert stored[0] + stored[1] == 4 and stored[2] == 4
    rows = read_rows(pack)
    assert len(rows) == 8 and len({row[:4] for row in rows}) == 8


def test_what_add_returned_from_is_on_disk_for_a_process_that_was_killed(pack):
    killed = WRITER.replace("    for step", "    for step").replace(
        "print(stored)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(pack), "R1"], timeout=60)
    assert done.returncode == -9
    assert len(read_rows(pack)) == 4


def test_answers_and_key_make_the_table_of_readings(pack, key):
    room = answers.Answers(pack)
    room.add("R2", (1, "C2", "alone"), rating=71, decision=1, seconds=12.5)
    room.add("R2", (1, "C2", "with model"), rating=80, decision=1, seconds=3.25)
    room.add("R1", (1, "C2", "alone"), rating=20, decision=0)
    table = answers.load_answers(pack)
    assert table.columns.tolist() == [
        *("reader", "treatment", "case", "truth"),
        *("rating", "decision", "seconds", "session"),
    ]
    assert table.drop(columns="seconds").to_numpy().tolist() == [
        ["R1", "alone", "C2", 1, 20.0, 0, 1],
        ["R2", "alone", "C2", 1, 71.0, 1, 1],
        ["R2", "with model", "C2", 1, 80.0, 1, 1],
    ]
    assert table["seconds"].isna().tolist() == [True, False, False]
    assert table["seconds"].tolist()[1:] == [12.5, 3.25]


def test_what_is_missing_is_named(pack, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a pack"):
        answers.Answers(tmp_path)
    with pytest.raises(FileNotFoundError, match="nobody has signed in"):
        answers.load_answers(pack)
    room = answers.Answers(pack)
    with pytest.raises(FileNotFoundError, match="pack_key.csv: is missing"):
        answers.load_answers(pack)
    key = tmp_path / "key.csv"
    key.write_text("case,truth\nC1,0\n")
    with pytest.raises(ValueError, match="holds no answer"):
        answers.load_answers(pack, key)
    room.add("R1", (1, "C2", "alone"), rating=20, decision=0)
    with pytest.raises(ValueError, match="has no case C2"):
        answers.load_answers(pack, key)
    key.write_text("case,label\nC2,0\n")
    with pytest.raises(ValueError, match="columns case and truth"):
        answers.load_answers(pack, key)
    (pack / "plan.json").write_text("{")
    with pytest.raises(ValueError, match=r"plan\.json: cannot be read"):
        answers.Answers(pack)


def test_a_torn_pack_is_found_before_the_study(pack):
    room = answers.Answers(pack)
    with pytest.raises(FileNotFoundError, match="C2.png: is missing"):
        room.check_files()


def test_a_full_disk_is_told_keeps_what_is_stored_and_goes_on_with_room(
    pack, monkeypatch
):
    connect, pages = sqlite3.connect, 0

    def connect_to_small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {pages or 1000}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_small)
    room = answers.Answers(pack)
    assert room.add("R1", room.find_due("R1").key, rating=60, decision=1, seconds=1.5)
    pages = (pack / "answers.sqlite").stat().st_size // 4096
    due = room.find_due("R1")
    with pytest.raises(OSError, match=r"Cannot write .*answers\.sqlite: .*full"):
        for _ in range(1000):
            room.note_shown("R1", due)
    assert room.find_due("R1") == due
    pages = 0
    assert room.add("R1", due.key, rating=70, decision=1, seconds=1.5)
    assert [row[4] for row in read_rows(pack)] == [60, 70]


def test_answers_can_be_read_after_a_room_was_killed_within_a_write(pack, key):
    room = answers.Answers(pack)
    assert room.add("R1", room.find_due("R1").key, rating=60, decision=1, seconds=1.5)
    code = (  # pages leave the cache before the end of the transaction
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "for i in range(200):\n"
        "    c.execute('INSERT INTO shown VALUES (1, 1, ?, 1, 1)', ('x' * 400,))\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code, pack / "answers.sqlite"])
    assert (pack / "answers.sqlite-journal").stat().st_size > 0
    assert answers.load_answers(pack, key)["rating"].tolist() == [60]
