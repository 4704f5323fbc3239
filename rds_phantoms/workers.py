"""Many phantoms at once: one process a core, and files that are whole or not there."""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent import futures
from pathlib import Path

import cv2
from tqdm import tqdm


def map_on_cores(
    function: Callable,
    items: Iterable,
    num_workers: int | None = None,
    description: str = "phantoms",
) -> list:
    """Apply a top-level function to items and return its values in their order.

    Args:
        function: of one item; it and the items pickle.
        items: what to work on.
        num_workers: int, processes; 1 works in this one, None takes one a core.
        description: of the progress bar, which only a terminal sees.
    """
    items = list(items)
    num_workers = min(num_workers or count_cores(), len(items))
    shown = {"desc": description, "total": len(items), "disable": None}
    if num_workers <= 1:
        return list(tqdm(map(function, items), **shown))
    spawn = multiprocessing.get_context("spawn")  # a forked OpenCV can hang
    with futures.ProcessPoolExecutor(num_workers, spawn, _begin_worker) as pool:
        return list(tqdm(pool.map(function, items), **shown))


def count_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_worker() -> None:
    cv2.setNumThreads(1)  # one process a core


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
