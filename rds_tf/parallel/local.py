"""The same pure function over many items: in local processes, one bad item at a time.

A file that kills its worker (a decoder that crashes, memory that runs out) costs
that file and no other, and a file on disk is either whole or not there.
"""

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tqdm import tqdm

from rds_tf import errors
from rds_tf.parallel import isolated, memory
from rds_tf.storage import disk

MAX_WORKERS = 61  # what Windows can wait for
WORKER_DIED = "Its worker process died (out of memory, or a crash in a decoder)."
Numbered = Iterator[tuple[int, "Outcome"]]  # an item's place, and what became of it


@dataclass(frozen=True)
class Outcome:
    """What became of one item: its value, or a sentence that says why not.

    Attributes:
        item: the item as it was given.
        value: what the function returned, None where it failed.
        error: why it failed, None where it did not.
    """

    item: Any
    value: Any = None
    error: str | None = None


class Executor(Protocol):
    """Where the work of a command runs: this module, or `ray_cluster.RayCluster`."""

    def count_cores(self) -> int:
        """Count the cores that the work may use."""

    def map_items(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        num_workers: int = 1,
        description: str = "",
    ) -> list[Outcome]:
        """Do what `local.map_items` does."""

    def map_isolated(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        num_workers: int = 1,
        description: str = "",
    ) -> list[Outcome]:
        """Do what `local.map_isolated` does."""


def map_items(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    num_workers: int = 1,
    description: str = "",
) -> list[Outcome]:
    """Apply a pure function to many items and keep going past the bad ones.

    Args:
        function: top-level function of one item, without side effects that a
            second call on the same item could spoil.
        items: anything that pickles.
        num_workers: local processes; 1 runs in this process, where an item that
            crashes takes the caller with it.
        description: label of the progress bar, which only a terminal sees.

    Returns:
        One `Outcome` an item, in the order of the items. `ValueError` and `OSError`
        become its `error`; any other exception is a bug and is raised here.

    Raises:
        DiskFullError: an item found no space to write; the rest is not tried.
        RuntimeError: worker processes cannot start, or cannot import the function.
    """
    items = list(items)
    outcomes: list[Outcome | None] = [None] * len(items)
    run = _run_here if num_workers <= 1 else _run_in_processes
    num_workers = min(num_workers, max(1, len(items)), MAX_WORKERS)
    with tqdm(total=len(items), desc=description, disable=None) as bar:
        for index, outcome in run(function, items, num_workers):
            outcomes[index] = outcome
            bar.update()
    return outcomes


def map_isolated(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    num_workers: int = 1,
    description: str = "",
) -> list[Outcome]:
    """Apply a function to items, each in a fresh process that ends with it.

    For work that leaves its process changed, such as a training: TensorFlow keeps
    memory, threads and random state. All else is as for `map_items`.
    """
    items = list(items)
    with futures.ThreadPoolExecutor(num_workers) as threads:
        outcomes = threads.map(partial(_attempt_isolated, function), items)
        bar = {"total": len(items), "desc": description, "disable": None}
        return list(tqdm(outcomes, **bar))


def count_cores() -> int:
    """Count the cores that this process may use: a SLURM job has a share of them."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_here(function: Callable, items: list, num_workers: int) -> Numbered:
    for index, item in enumerate(items):
        yield index, attempt(function, item)


def _run_in_processes(function: Callable, items: list, num_workers: int) -> Numbered:
    """Feed a pool; when a worker dies, try what was in flight apart and go on.

    The pool does not say which item killed its worker, and takes all workers with it.
    """
    waiting = deque(enumerate(items))
    while waiting:
        in_flight: dict[futures.Future, tuple[int, Any]] = {}
        try:
            with open_pool(num_workers) as pool:
                yield from _feed(pool, function, waiting, in_flight, 2 * num_workers)
        except BrokenProcessPool:
            _check_workers(function)
            for index, item in in_flight.values():
                # Two tries: an item that did no harm may still die once by itself.
                yield index, _attempt_isolated(function, item, num_tries=2)


def _feed(pool, function, waiting: deque, in_flight: dict, room: int) -> Numbered:
    while waiting or in_flight:
        while waiting and len(in_flight) < room:
            in_flight[pool.submit(attempt, function, waiting[0][1])] = waiting[0]
            waiting.popleft()
        done, _ = futures.wait(in_flight, return_when=futures.FIRST_COMPLETED)
        for future in done:
            outcome = future.result()
            index, _ = in_flight.pop(future)
            yield index, outcome


def attempt(function: Callable, item: Any) -> Outcome:
    """Apply a function to one item here, as `map_items` does."""
    try:
        return Outcome(item, value=function(item))
    except disk.DiskFullError:
        raise
    except (ValueError, OSError) as error:
        return Outcome(item, error=str(error) or type(error).__name__)


def _attempt_isolated(function: Callable, item: Any, num_tries: int = 1) -> Outcome:
    for _ in range(num_tries):
        with contextlib.suppress(isolated.IsolatedError):
            return isolated.run(_attempt_as_worker, function, item)
    return Outcome(item, error=WORKER_DIED)


def _attempt_as_worker(function: Callable, item: Any) -> Outcome:
    memory.keep_freed()
    return attempt(function, item)


def _check_workers(function: Callable) -> None:
    """Tell workers that die of an item from workers that never start."""
    try:
        with open_pool(1) as pool:
            pool.submit(callable, function).result()
    except BrokenProcessPool as error:
        raise errors.RunError(
            f"No worker process can import {function.__qualname__}: it must stand in a "
            'module, and a script must start under `if __name__ == "__main__":`.'
        ) from error


def open_pool(num_workers: int) -> futures.ProcessPoolExecutor:
    """Open fresh processes: a forked TensorFlow or OpenCV can hang."""
    context = multiprocessing.get_context("spawn")
    return futures.ProcessPoolExecutor(num_workers, context, _begin_worker)


def _begin_worker() -> None:
    """Let no worker outlive a run that was killed and write beside the next one."""
    memory.keep_freed()
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
