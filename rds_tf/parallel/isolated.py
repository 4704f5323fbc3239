"""Call a function in a process of its own, within limits of time and memory.

For decoders that may end their process, files of strangers that may stall or flood it,
and trainings that leave it changed. The child is a plain Python started anew: a forked
TensorFlow or OpenCV can hang, and `multiprocessing` would run the user's script again.
"""

import atexit
import contextlib
import importlib
import multiprocessing
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from rds_tf import errors
from rds_tf.parallel import memory

WORKER_MARK = "RDS_TF_WORKER"  # set in processes whose death costs one item only


class IsolatedError(errors.RunError):
    """The child gave no answer; the message continues "the function ..."."""


class TimeLimitError(IsolatedError):
    """The call took longer than it may."""


def is_worker() -> bool:
    """Say whether this process is a worker, whose death costs one item only."""
    return multiprocessing.parent_process() is not None or WORKER_MARK in os.environ


class Child:
    """A process that does one call after the other; whoever starts it ends it."""

    def __init__(
        self, module=__name__, *, memory_bytes: int | None = None, quiet: bool = False
    ) -> None:
        """Start a process that imports `module`; only Linux enforces the memory."""
        self.limits, self.used = {"memory_bytes": memory_bytes, "quiet": quiet}, False
        serve = f"isolated._serve({module!r}, {memory_bytes})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from rds_tf.parallel import isolated; {serve}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def call(
        self, function: Callable, *arguments: Any, seconds: float | None = None
    ) -> Any:
        """Call a function there as `run` does; without an answer, end the child."""
        self.used, answer, late = True, None, threading.Event()
        alarm = threading.Timer(seconds or 0, lambda: (late.set(), self.process.kill()))
        try:
            if seconds is not None:
                alarm.start()
            pickle.dump(pickle.dumps((function, arguments)), self.process.stdin)
            self.process.stdin.flush()
            answer = pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):  # it ended, perhaps midway
            pass
        finally:
            alarm.cancel()
            if answer is None or late.is_set():
                self.end()
        if late.is_set():
            raise TimeLimitError(f"takes more than {seconds:g} s")
        if answer is None:
            raise IsolatedError(f"crashes (exit status {self.process.returncode})")
        value, error = pickle.loads(answer)
        if isinstance(error, MemoryError) and (most := self.limits["memory_bytes"]):
            raise IsolatedError(f"takes more than {most} bytes") from error
        if error is not None:
            raise error
        return value

    def end(self) -> None:
        """Kill the process, whatever it does; again does no harm."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # what was not sent is lost
                pipe.close()
        self.process.wait()


_waiting: list[Child] = []  # spare children, and kept ones
_lock = threading.Lock()  # of who takes one


def run(
    function: Callable,
    *arguments: Any,
    seconds: float | None = None,
    memory_bytes: int | None = None,
    quiet: bool = False,
    keep: bool = False,
) -> Any:
    """Call a function in a child process and return its value.

    Args:
        function: function at the top level of a module.
        *arguments: anything that pickles.
        seconds: how long start and call may take, default without end.
        memory_bytes, quiet: as in `Child`.
        keep: use the child of an earlier such call and leave it for the next one: a
            start takes longer than most calls. Otherwise the child is new, and ends
            with the call.

    Raises:
        TimeLimitError: the call took longer than `seconds`.
        IsolatedError: the child crashed, or ran out of `memory_bytes`.
        Exception: whatever the function raises.
    """
    limits = {"memory_bytes": memory_bytes, "quiet": quiet}
    while True:
        child = _take_waiting(limits, used=keep) or Child(function.__module__, **limits)
        was_used = child.used
        try:
            return child.call(function, *arguments, seconds=seconds)
        except IsolatedError:
            if not was_used:  # else an earlier call may have spoilt that child
                raise
        finally:
            if keep and child.process.returncode is None:
                _waiting.append(child)
            else:
                child.end()


def _take_waiting(limits: dict, *, used: bool) -> Child | None:
    """Take a waiting child with these limits; a used one only if `used`."""
    with _lock:
        for child in _waiting:
            if child.limits == limits and (used or not child.used):
                _waiting.remove(child)
                return child
    return None


def start_spare(function: Callable, *, memory_bytes: int | None = None) -> None:
    """Start a child for the next quiet `run` of a function, unless one is waiting.

    The module of the function is imported beforehand, while nobody waits for it.
    """
    limits = {"memory_bytes": memory_bytes, "quiet": True}
    spare = _take_waiting(limits, used=False)
    _waiting.append(spare or Child(function.__module__, **limits))


@atexit.register
def end_waiting() -> None:
    """End the children that wait for a call."""
    while _waiting:
        _waiting.pop().end()


def _serve(module: str, memory_bytes: int | None) -> None:
    """Do calls without end: this is all that a child runs.

    A call comes by standard input, its answer leaves by standard output, each as a
    pickle of bytes. What functions print goes to standard error instead.
    """
    os.environ[WORKER_MARK] = "1"
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if memory_bytes:
        memory.limit(memory_bytes)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(calls,), daemon=True).start()
    with contextlib.suppress(Exception):  # the call meets it again and reports it
        importlib.import_module(module)
    while True:
        pickle.dump(_answer(calls.get()), answers)
        answers.flush()


def _receive(calls: queue.SimpleQueue) -> None:
    """Queue calls; when the parent is gone, end this process, whatever it does."""
    try:
        while True:
            calls.put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)


def _answer(call: bytes) -> bytes:
    """Do a call; return its value and its error, one of them None, as a pickle."""
    try:
        function, arguments = pickle.loads(call)
        return pickle.dumps((function(*arguments), None))
    except Exception as error:
        error.add_note(traceback.format_exc())  # a traceback itself does not pickle
        return pickle.dumps((None, error))
