"""Many phantoms at once: one process a core, and files that are whole or not there."""

import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
from tqdm import tqdm

MAX_WORKERS = 61  # what Windows can wait for


def map_on_cores(
    function: Callable, items: Iterable, num_workers: int | None = None
) -> list:
    """Apply a top-level function to items and return its values in their order.

    Args:
        function: of one item; it and the items pickle.
        items: what to work on.
        num_workers: int, processes; 1 works in this one, None takes one a core.

    Raises:
        ChildProcessError: a worker process died.
    """
    items = list(items)
    num_workers = min(num_workers or _count_cores(), len(items), MAX_WORKERS)
    bar = {"desc": "phantoms", "total": len(items), "disable": None}  # if a terminal
    if num_workers <= 1:
        return list(tqdm(map(function, items), **bar))
    spawn = multiprocessing.get_context("spawn")  # a forked OpenCV can hang
    try:
        with futures.ProcessPoolExecutor(num_workers, spawn, _begin_worker) as pool:
            return list(tqdm(pool.map(function, items), **bar))
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "A worker process died: out of memory, or started by a script without "
            '`if __name__ == "__main__":`.'
        ) from error


def _count_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_worker() -> None:
    cv2.setNumThreads(1)  # one process a core
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        # Reuse the memory of layers: 750 page faults a phantom, a tenth of its time.
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of mallopt(3)
            ctypes.CDLL(None).mallopt(option, 2**31 - 1)
    # A worker waits for its next item for ever, even if the parent was killed.
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise OSError(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
