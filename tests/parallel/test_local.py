"""Items fail one by one, and files are whole or not there."""

import importlib
import math
import operator
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from rds_tf.parallel import local
from rds_tf.storage import disk


@pytest.mark.parametrize("num_workers", [1, 2])
def test_outcomes_keep_the_order_and_the_errors(num_workers):
    outcomes = local.map_items(math.isqrt, [9, -1, 16], num_workers)
    assert [outcome.item for outcome in outcomes] == [9, -1, 16]
    assert [outcome.value for outcome in outcomes] == [3, None, 4]
    assert outcomes[1].error == "isqrt() argument must be nonnegative"
    assert outcomes[0].error is outcomes[2].error is None


def test_item_that_kills_its_worker_costs_no_other_item():
    items = [partial(int, number) for number in range(8)]
    items[3] = partial(os._exit, 1)
    outcomes = local.map_items(operator.call, items, num_workers=2)
    assert [o.value for o in outcomes] == [0, 1, 2, None, 4, 5, 6, 7]
    assert [o.error for o in outcomes if o.error] == [local.WORKER_DIED]


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Return a module that worker processes can import too."""
    code = (
        "import os, pathlib, signal, time\n"
        "from rds_tf.storage import disk\n"
        "def fill(item):\n"
        "    raise disk.DiskFullError(f'Cannot write {item}.')\n"
        "def die_once(item):\n"
        "    if item == 3 and not MARK.exists():\n"
        "        MARK.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return item\n"
        "def die_beside_another(item):\n"
        "    begun = MARK.with_name('1')\n"
        "    if item == 0:\n"
        "        while not begun.exists():\n"
        "            pass\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    begun.open('a').write('begun ')\n"
        "    time.sleep(1)\n"
        "    return item\n"
        f"MARK = pathlib.Path({str(tmp_path / 'mark')!r})\n"
    )
    (tmp_path / "tasks_of_a_test.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tasks_of_a_test", raising=False)
    return importlib.import_module("tasks_of_a_test")


@pytest.mark.parametrize("num_workers", [1, 2])
def test_full_disk_ends_the_whole_and_is_not_blamed_on_an_item(worker, num_workers):
    with pytest.raises(disk.DiskFullError, match=r"Cannot write [ab]\.png"):
        local.map_items(worker.fill, ["a.png", "b.png"], num_workers)


def test_item_that_kills_its_worker_once_is_tried_again_and_not_lost(worker):
    outcomes = local.map_items(worker.die_once, range(8), num_workers=2)
    assert worker.MARK.exists()
    assert [outcome.value for outcome in outcomes] == list(range(8))


def test_item_beside_one_that_kills_its_worker_is_done_once(worker):
    # 0 dies, twice, as soon as 1 has begun, which goes on undisturbed.
    outcomes = local.map_items(worker.die_beside_another, [0, 1], num_workers=2)
    assert [outcome.value for outcome in outcomes] == [None, 1]
    assert [outcome.error for outcome in outcomes] == [local.WORKER_DIED, None]
    assert worker.MARK.with_name("1").read_text() == "begun "


@pytest.mark.parametrize("num_workers", [1, 2])
def test_bug_in_the_function_is_not_swallowed(num_workers):
    with pytest.raises(TypeError, match="str"):
        local.map_items(math.isqrt, ["a", "b"], num_workers)


def test_workers_that_cannot_import_the_function_are_not_blamed_on_the_items():
    code = "from rds_tf.parallel import local\ndef f(x): pass\n"
    code += "local.map_items(f, [1, 2], 2)"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert "RunError: No worker process can import f" in finished.stderr


def test_no_items_need_no_workers():
    assert local.map_items(math.isqrt, [], num_workers=4) == []


def test_write_whole_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    disk.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_write_that_fails_keeps_the_old_file_and_names_it(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(disk.DiskFullError, match=r"a\.txt: No space left on device"):
        disk.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_into_a_missing_folder_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"gone.a\.txt"):
        disk.write_whole(tmp_path / "gone" / "a.txt", b"new")


def test_each_item_of_map_isolated_has_a_process_of_its_own():
    outcomes = local.map_isolated(operator.call, [os.getpid] * 3, num_workers=2)
    assert len({os.getpid(), *(outcome.value for outcome in outcomes)}) == 4


def test_item_of_map_isolated_that_kills_its_process_costs_no_other():
    items = [partial(int, 4), partial(os._exit, 1), partial(int, 6)]
    outcomes = local.map_isolated(operator.call, items, num_workers=2)
    assert [o.value for o in outcomes] == [4, None, 6]
    assert outcomes[1].error == local.WORKER_DIED


def test_no_worker_outlives_a_run_that_is_killed(tmp_path):
    code = (
        "import os, pathlib, sys, time\n"
        "def sleep(path):\n"
        "    pathlib.Path(path).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "sleeper.py").write_text(code)
    mark, script = tmp_path / "pid", tmp_path / "script.py"  # without a guard
    call = "import sleeper\nfrom rds_tf.parallel import local\n"
    script.write_text(f"{call}local.map_isolated(sleeper.sleep, [{str(mark)!r}])")
    run = subprocess.Popen([sys.executable, script])
    _wait(lambda: mark.is_file() and mark.read_text())
    run.kill()
    run.wait()
    worker = int(mark.read_text())
    _wait(lambda: not _is_alive(worker))


def test_a_second_run_is_kept_out_and_a_dead_one_is_not_waited_for(tmp_path):
    code = (
        "import pathlib, sys, time\n"
        "from rds_tf.storage import disk\n"
        "with disk.claim(sys.argv[1]):\n"
        "    pathlib.Path(sys.argv[1], 'mark').touch()\n"
        "    time.sleep(60)\n"
    )
    folder = tmp_path / "run"
    first = subprocess.Popen([sys.executable, "-c", code, folder])
    _wait((folder / "mark").exists)
    with pytest.raises(BlockingIOError, match=r"run: another run is writing there"):
        with disk.claim(folder):
            pass
    first.kill()
    first.wait()
    (folder / "images").mkdir()
    for name in (".a.png.12.part", "images/.b.png.12.part", "images/b.png"):
        (folder / name).touch()  # what a run leaves that dies within its writes
    with disk.claim(folder):
        assert [path.name for path in folder.rglob("*.p*")] == ["b.png"]


def test_parts_that_are_not_of_a_dead_run_stay(tmp_path):
    stays = [".thesis.pdf.part", "train/.backup.npz.7.part", "train/deep/.a.7.part"]
    goes = [".a.png.12.part", "images/.b.png.12.part"]
    for name in (*stays, *goes, "train/.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with disk.claim(tmp_path):
        left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.part")}
    assert left == set(stays)


def test_a_lone_item_that_kills_its_worker_does_not_kill_the_caller():
    (outcome,) = local.map_items(operator.call, [partial(os._exit, 1)], num_workers=2)
    assert outcome.error == local.WORKER_DIED


def _wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.is_file() and status.read_text().split()[2] == "Z")


def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"Cannot write .*pipe: .* no file"):
        disk.write_whole(tmp_path / "pipe", b"x")
    with pytest.raises(OSError, match="pipe"):
        disk.write_json(tmp_path / "pipe", {})
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not on this system")
def test_a_process_that_was_given_one_core_counts_one():
    share = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(share)})  # as SLURM and `taskset` do
    try:
        assert local.count_cores() == 1
    finally:
        os.sched_setaffinity(0, share)
    assert local.count_cores() == len(share)


def test_log_gets_a_line_for_each_item_with_a_title(capsys, monkeypatch):
    clock = iter([100, 160])
    monkeypatch.setattr(local.time, "monotonic", lambda: next(clock, 280))
    first, second = (SimpleNamespace(title=f"B0 whole, fold {k}") for k in (3, 4))
    progress = local.Progress(3, "trainings")
    progress.update(local.Outcome(first))
    progress.update(local.Outcome(second, error="no memory"))
    progress.update(local.Outcome(7))
    progress.bar.close()
    assert capsys.readouterr().out.splitlines() == [
        "1 of 3: B0 whole, fold 3, done, about 02:00 left",
        "2 of 3: B0 whole, fold 4, failed, about 01:30 left",
    ]
