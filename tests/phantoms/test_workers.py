import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rds_phantoms import training, workers


def test_training_arrays_hold_the_phantoms_of_their_seeds():
    images, masks = training.make_training_arrays(3, 32, seed=0)
    assert images.shape == (3, 32, 32, 1) and masks.shape == (3, 32, 32, 2)
    assert images.dtype == masks.dtype == np.uint8
    second = training.make_training_phantom(1_000_001, 32)
    np.testing.assert_array_equal(masks[1, ..., 0], second.mask)
    np.testing.assert_array_equal(masks[1, ..., 1], second.mask & ~second.heart)


def test_values_come_in_the_order_of_the_items_from_one_process_and_from_two():
    for num_workers in (1, 2):
        assert workers.map_on_cores(abs, [-3, 2, -1], num_workers) == [3, 2, 1]


def test_a_worker_that_dies_ends_the_run_with_a_sentence():
    with pytest.raises(ChildProcessError, match="worker process died: out of"):
        workers.map_on_cores(os._exit, [1, 1], 2)
    assert not multiprocessing.active_children()


SCRIPT = """
import os, pathlib, sys, time
from rds_phantoms import workers

def sleep(seconds):
    pathlib.Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(seconds)

if __name__ == "__main__":
    workers.map_on_cores(sleep, [60, 60, 1, 1], 3)
"""


def test_no_worker_outlives_a_run_that_is_killed_whether_busy_or_idle(tmp_path):
    script, marks = tmp_path / "script.py", tmp_path / "marks"
    script.write_text(SCRIPT)
    marks.mkdir()
    run = subprocess.Popen([sys.executable, script, marks])
    wait(lambda: len(list(marks.iterdir())) == 3)
    time.sleep(2.5)  # the third one is idle now
    run.kill()
    run.wait()
    wait(lambda: not any(is_alive(mark.name) for mark in marks.iterdir()))


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.is_file() and status.read_text().split()[2] == "Z")


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r"Cannot write .*missing/a\.png: No such file"):
        workers.write_file(tmp_path / "missing" / "a.png", b"1")
    (tmp_path / "a.png").mkdir()  # a folder has its name
    with pytest.raises(OSError, match=r"Cannot write .*a\.png"):
        workers.write_file(tmp_path / "a.png", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
