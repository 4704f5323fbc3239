"""Decoders that can end their process run in a process of their own.

GDCM throws C++ exceptions that nobody catches at some damaged JPEG: Python ends with
it, and with Python all other films of a run, or a server. The process stays for the
next film, since starting one takes longer than most films.
"""

import atexit
import io
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid

from rds_tf.parallel import remote_task

MOST_SECONDS = 60
CHILD = """
import io, os, pickle, struct, sys, warnings
import numpy as np
answers = os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where decoders may chat
from rds_tf.dicom import radiograph
while head := sys.stdin.buffer.read(8):
    request = sys.stdin.buffer.read(*struct.unpack("<Q", head))
    answer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stored = radiograph.decode_pixels(*pickle.loads(request))
        np.lib.format.write_array(answer, stored, allow_pickle=False)
    except Exception:
        answer = io.BytesIO()  # the caller meets the same one
    answers.write(struct.pack("<Q", len(answer.getbuffer())))
    answers.write(answer.getbuffer())
    answers.flush()
"""
_idle: list[subprocess.Popen] = []
_lock = threading.Lock()


def decode_isolated(
    path: Path, dataset: pydicom.Dataset
) -> tuple[np.ndarray | None, str]:
    """Decode a film apart, if its decoder could crash or hang at it.

    Uncompressed and RLE films are decoded by Python and need no trial. A worker of
    `engine` or of a cluster needs none either: its death costs that film alone.

    Args:
        path: file of the film.
        dataset: what was parsed of it.

    Returns:
        What `radiograph.decode_pixels` returns, and "". None and "" where no
        trial is needed, or decoding raised or warned: it is safe then to decode here.
        None and the fault where the decoder crashes or hangs.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    safe = not syntax.is_encapsulated or syntax == uid.RLELossless
    if safe or _is_expendable():
        return None, ""
    request = pickle.dumps((Path(path).absolute(), dataset))
    with _lock:
        used = _idle.pop() if _idle else None
    stored, fault = _ask(used or _start(), request)
    if used and fault:  # an earlier film may have spoilt that process
        stored, fault = _ask(_start(), request)
    return stored, fault


def _start() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _ask(process: subprocess.Popen, request: bytes) -> tuple[np.ndarray | None, str]:
    """Let a process decode; keep it for the next film unless it ends or hangs."""
    begin = time.monotonic()
    alarm = threading.Timer(MOST_SECONDS, process.kill)
    alarm.start()
    try:
        answer = _exchange(process, request)
    finally:
        alarm.cancel()
    if answer is None:
        _end(process)
        if time.monotonic() - begin >= MOST_SECONDS:
            return None, f"its decoder takes more than {MOST_SECONDS} s"
        return None, f"its decoder crashes at it (exit status {process.returncode})"
    with _lock:
        _idle.append(process)
    return np.load(io.BytesIO(answer), allow_pickle=False) if answer else None, ""


def _exchange(process: subprocess.Popen, request: bytes) -> bytes | None:
    """Send a request and read its answer; None where the process ends instead."""
    try:
        process.stdin.write(struct.pack("<Q", len(request)))
        process.stdin.write(request)
        process.stdin.flush()
    except OSError:  # it has ended
        return None
    head = process.stdout.read(8)
    size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    answer = process.stdout.read(size)
    return answer if len(head) == 8 and len(answer) == size else None


def _end(process: subprocess.Popen) -> None:
    """Close the pipes of a process, at which it ends, and wait for that."""
    try:
        process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@atexit.register
def end_idle() -> None:
    """End the process that waits for the next film, if there is one."""
    while _idle:
        _end(_idle.pop())


def _is_expendable() -> bool:
    return multiprocessing.parent_process() is not None or remote_task.is_worker()
