"""A trial run, in a process of its own, of decoders that can end their process.

GDCM throws C++ exceptions that nobody catches at some damaged JPEG: Python ends with
it, and with Python all other films of a run, or a server.
"""

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pydicom
from pydicom import uid

from rds_tf import errand

MOST_SECONDS = 60
CHILD = """
import pickle, sys
from rds_tf.data import radiograph
try:
    radiograph.decode(*pickle.load(sys.stdin.buffer))
except Exception:
    pass  # the caller meets the same one
"""


def find_fault(path: Path, dataset: pydicom.Dataset) -> str:
    """Say whether the decoder of a film crashes or hangs at it; "" where it does not.

    Uncompressed and RLE films are decoded by Python and need no trial. A worker of
    `engine` or of a cluster needs none either: its death costs that film alone.

    Args:
        path: file of the film.
        dataset: what was parsed of it.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    safe = not syntax.is_encapsulated or syntax == uid.RLELossless
    if safe or _is_expendable():
        return ""
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=pickle.dumps((path, dataset)),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"its decoder takes more than {MOST_SECONDS} s"
    if done.returncode == 0:
        return ""
    return f"its decoder crashes at it (exit status {done.returncode})"


def _is_expendable() -> bool:
    return multiprocessing.parent_process() is not None or errand.is_worker()
