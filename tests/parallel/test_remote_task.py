"""What is done on another machine is done as here, and its files are collected.

No Ray is needed: a folder that the worker's process does not see as its own stands for
another machine's disk.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rds_tf.parallel import isolated, local, remote_task
from rds_tf.storage import disk


@dataclass(frozen=True)
class Copy:
    """Write the letters of a file in capitals, and again behind a file of `out`."""

    source: Path
    out: Path
    taken: str = ""

    @property
    def reads(self):
        return [self.source]

    @property
    def takes(self):
        return [self.out / self.taken] if self.taken else []


def copy(item):
    text = item.source.read_text().upper()
    if text == "BAD":
        raise ValueError(f"Cannot use {item.out / 'a.txt'}.")
    disk.write_whole(item.out / "images" / "z.txt", text.encode())
    os.utime(item.out / "images" / "z.txt", ns=(0, 0))  # clocks of disks are coarse
    if item.taken:
        text = (item.out / item.taken).read_text() + text
    disk.write_whole(item.out / "a.txt", text.encode())
    (item.out / ".lock").touch()
    return len(text)


@pytest.fixture
def item(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    source, out = tmp_path / "source.txt", tmp_path / "out"
    source.write_text("abc")
    (out / "images").mkdir(parents=True)
    return Copy(source, out)


def travel(item, *, seen):
    """Do an item as a worker that sees the origin, or not: its result and outcome."""
    with remote_task.mark_origin([item]) as origin:
        sent, payload = [remote_task.describe(item)], remote_task.pack([item], origin)
        if not seen:
            sent_origin, there = origin, replace(origin, mark="of another disk")
        else:
            sent_origin = there = origin
        (result,) = remote_task.run_shard(copy, sent, there, lambda: payload)
        return result, remote_task.collect(item, result, sent_origin)


def list_files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_worker_that_sees_the_origin_writes_there_and_sends_nothing(item):
    result, outcome = travel(item, seen=True)
    assert result == (3, None, []) and outcome == local.Outcome(item, 3)
    assert (item.out / "images/z.txt").read_text() == "ABC"


def test_files_of_another_worker_are_collected_in_the_order_of_their_writing(item):
    result, outcome = travel(item, seen=False)
    assert [name for name, _ in result[2]] == ["images/z.txt", "a.txt"]
    assert outcome == local.Outcome(item, 3)
    assert list_files(item.out) == ["a.txt", "images/z.txt"]  # and no lock, no mark
    assert (item.out / "a.txt").read_bytes() == b"ABC"


def test_the_payload_is_sent_with_its_item_and_not_back(item):
    (item.out / "masks").mkdir()
    (item.out / "masks/m.txt").write_text("mask ")
    item = replace(item, taken="masks/m.txt")
    result, outcome = travel(item, seen=False)
    assert outcome.value == len("mask ABC")
    assert [name for name, _ in result[2]] == ["images/z.txt", "a.txt"]


@pytest.mark.parametrize("seen", [True, False])
def test_an_error_names_the_folder_of_the_run_wherever_it_happened(item, seen):
    item.source.write_text("bad")
    _, outcome = travel(item, seen=seen)
    assert outcome.error == f"Cannot use {item.out / 'a.txt'}."
    assert list_files(item.out) == []


@pytest.mark.parametrize("change", ["none", "longer", "later"])
def test_a_machine_with_another_file_than_the_origin_is_refused_and_does_nothing(
    item, change
):
    sent = [remote_task.describe(item)]
    if change == "none":
        item.source.unlink()
    elif change == "longer":
        item.source.write_text("abcd")
    else:
        os.utime(item.source, ns=(0, 0))
    with remote_task.mark_origin([item]) as origin:
        with pytest.raises(RuntimeError, match=r"source\.txt, or not the one.*rsync"):
            remote_task.run_shard(copy, sent, origin, dict)
    assert list_files(item.out) == []


def test_a_file_that_is_missing_at_the_origin_too_is_the_items_own_fault(item):
    item.source.unlink()
    _, outcome = travel(item, seen=True)
    assert "source.txt" in outcome.error


def test_paths_travel_absolute(item, monkeypatch):
    monkeypatch.chdir(item.out.parent)
    sent, files = remote_task.describe(Copy(Path("source.txt"), Path("out")))
    assert (sent.source, sent.out) == (item.source, item.out)
    assert list(files) == [item.source]


def test_an_item_whose_workers_all_died_has_that_error(item):
    outcome = remote_task.collect(item, None, None)
    assert outcome.error == local.WORKER_DIED and outcome.item is item


def test_a_worker_knows_that_its_death_costs_one_item_only(item):
    assert not isolated.is_worker()
    travel(item, seen=True)
    assert isolated.is_worker()


def test_no_mark_stays_at_the_origin_and_that_of_a_dead_run_is_deleted(item):
    with remote_task.mark_origin([item]) as origin:
        assert (item.out / origin.mark).is_file()
        (item.out / f"2{origin.mark}").touch()
    (item.out / f".2{origin.mark}").touch()
    with disk.claim(item.out):
        assert not [n for n in list_files(item.out) if n.startswith(".2")]
    assert origin.mark not in list_files(item.out)


def test_items_that_write_nothing_need_no_origin():
    with remote_task.mark_origin([4, 9]) as origin:
        assert origin is None
    assert remote_task.describe(9) == (9, {})
