"""A function in a process of its own ends with its value or one clear error."""

import math
import os
import sys
import time

import pytest

from rds_tf.parallel import isolated


@pytest.fixture(autouse=True)
def no_child_of_another_test():
    isolated.end_waiting()
    yield
    isolated.end_waiting()


def test_value_comes_back_from_another_process_which_then_ends():
    child = isolated.run(os.getpid)
    assert child != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_error_of_the_function_is_raised_with_its_traceback():
    with pytest.raises(ValueError, match="nonnegative") as caught:
        isolated.run(math.isqrt, -1)
    assert "_answer" in caught.value.__notes__[0]


def test_function_that_ends_its_process_is_a_crash_with_its_status():
    with pytest.raises(isolated.IsolatedError, match=r"crashes \(exit status 7\)"):
        isolated.run(os._exit, 7)


def test_function_that_is_too_slow_is_killed():
    begin = time.monotonic()
    with pytest.raises(isolated.TimeLimitError, match=r"takes more than 0\.5 s"):
        isolated.run(time.sleep, 60, seconds=0.5)
    assert time.monotonic() - begin < 20


@pytest.mark.skipif(sys.platform != "linux", reason="not enforced elsewhere")
def test_function_that_asks_for_too_much_memory_is_refused_it():
    assert len(isolated.run(bytearray, 2**20, memory_bytes=2**30)) == 2**20
    with pytest.raises(isolated.IsolatedError, match="more than 1073741824 bytes"):
        isolated.run(bytearray, 2**31, memory_bytes=2**30)


def test_kept_child_does_the_next_call_that_keeps_and_no_other():
    first = isolated.run(os.getpid, keep=True)
    assert isolated.run(os.getpid, keep=True) == first
    assert isolated.run(os.getpid) != first
    assert isolated.run(os.getpid, keep=True, quiet=True) != first
    assert isolated.run(os.getpid, keep=True) == first


def test_failure_of_a_child_that_an_earlier_call_spoilt_is_tried_in_a_new_one():
    first = isolated.run(os.getpid, keep=True)
    (child,) = isolated._waiting
    child.process.kill()
    child.process.wait()
    assert isolated.run(os.getpid, keep=True) != first


def test_child_that_fails_is_not_kept():
    with pytest.raises(isolated.IsolatedError):
        isolated.run(os._exit, 1, keep=True)
    assert isolated._waiting == []


def test_spare_child_is_used_once():
    isolated.start_spare(math.isqrt)
    isolated.start_spare(math.isqrt)
    (spare,) = isolated._waiting
    assert isolated.run(os.getpid, quiet=True) == spare.process.pid
    assert isolated._waiting == []
    assert isolated.run(os.getpid, quiet=True) != spare.process.pid


def test_child_knows_that_it_is_a_worker():
    assert isolated.run(isolated.is_worker)
    assert not isolated.is_worker()


def test_what_the_function_prints_is_no_answer(capfd):
    assert isolated.run(print, "hello") is None
    assert capfd.readouterr() == ("", "hello\n")
    assert isolated.run(print, "hello", quiet=True) is None
    assert capfd.readouterr() == ("", "")
