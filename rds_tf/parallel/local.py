"""One function over many items, in processes of this machine.

An item that kills its worker (a decoder that crashes, memory that runs out) costs that
item and no other.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Protocol

from tqdm import tqdm

from rds_tf import errors
from rds_tf.parallel import isolated, memory
from rds_tf.storage import disk

WORKER_DIED = "Its worker process died (out of memory, or a crash in a decoder)."


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a value, or an error."""

    item: Any
    value: Any = None  # what the function returned, None where it failed
    error: str | None = None  # one sentence, None where it did not fail


class Executor(Protocol):
    """Where the work of a command runs: this module, or `ray_cluster.RayCluster`."""

    count_cores: Callable[[], int]
    map_items: Callable[..., list[Outcome]]
    map_isolated: Callable[..., list[Outcome]]


def count_cores() -> int:
    """Count the cores that this process may use: a SLURM job has a share of them."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_items(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    num_workers: int = 1,
    description: str = "",
) -> list[Outcome]:
    """Apply a pure function to many items and keep going past the bad ones.

    Args:
        function: of one item, at the top level of a module, without side effects that
            a second call on the same item could spoil.
        items: anything that pickles.
        num_workers: processes; 1 is this one, which ends if an item crashes it.
        description: label of the progress bar, which only a terminal shows.

    Returns:
        One `Outcome` an item, in the order of the items. `ValueError` and `OSError`
        become its `error`; any other exception is a bug and is raised here.

    Raises:
        DiskFullError: an item found no space to write; the rest is not tried.
        RunError: worker processes cannot import the function.
    """
    items = list(items)
    if num_workers > 1:
        return _map_in_children(function, items, num_workers, description, reuse=True)
    bar = tqdm(items, desc=description, disable=None)
    return [attempt(function, item) for item in bar]


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
    return _map_in_children(function, items, num_workers, description, reuse=False)


class Progress:
    """Shows how far the work is: on a terminal a bar, named by the last item done.

    Elsewhere, as in a log, each item that has a `title` gets a line.
    """

    def __init__(self, num_items: int, description: str) -> None:
        """Begin with none of `num_items` done."""
        self.bar = tqdm(total=num_items, desc=description, disable=None)
        self.num_items, self.num_done, self.begin = num_items, 0, time.monotonic()

    def update(self, outcome: Outcome) -> None:
        """Count one item more."""
        self.num_done += 1
        self.bar.update()
        if not (title := getattr(outcome.item, "title", "")):
            return
        self.bar.set_description(title)
        if self.bar.disable:
            seconds = (time.monotonic() - self.begin) / self.num_done
            left = tqdm.format_interval(seconds * (self.num_items - self.num_done))
            state = "failed" if outcome.error else "done"
            count = f"{self.num_done} of {self.num_items}"
            print(f"{count}: {title}, {state}, about {left} left", flush=True)


def attempt(function: Callable, item: Any) -> Outcome:
    """Apply a function to one item here, as `map_items` does."""
    try:
        return Outcome(item, value=function(item))
    except disk.DiskFullError:
        raise
    except (ValueError, OSError) as error:
        return Outcome(item, error=str(error) or type(error).__name__)


def _attempt_as_worker(function: Callable, item: Any) -> Outcome:
    memory.keep_freed()
    return attempt(function, item)


def _map_in_children(
    function: Callable, items: list, num_workers: int, description: str, *, reuse: bool
) -> list[Outcome]:
    """Do the items in child processes, each of which a thread of this one feeds."""
    if getattr(function, "__module__", None) == "__main__":
        raise errors.RunError(
            f"No worker process can import {function.__qualname__}: it must stand in a "
            "module, not in the script that is run."
        )
    waiting = deque(range(len(items)))
    outcomes = [Outcome(item, error=WORKER_DIED) for item in items]

    def work() -> None:
        """Do items until none is waiting; a thread of each worker runs this."""
        child = None
        try:
            while (index := _pop(waiting)) is not None:
                # Two tries where an item may be killed for the memory that others take.
                for _ in range(2 if reuse else 1):
                    child = child or isolated.Child()
                    try:
                        item = items[index]
                        outcomes[index] = child.call(_attempt_as_worker, function, item)
                        break
                    except isolated.IsolatedError:
                        child = None
                if child and not reuse:
                    child = child.end()
                progress.update(outcomes[index])
        finally:
            waiting.clear()  # after an error, no other worker begins an item
            if child:
                child.end()

    progress = Progress(len(items), description)
    with progress.bar, futures.ThreadPoolExecutor(num_workers) as threads:
        workers = [threads.submit(work) for _ in range(min(num_workers, len(items)))]
        try:
            for worker in workers:
                worker.result()
        finally:
            waiting.clear()  # when the user interrupts, too
    return outcomes


def _pop(waiting: deque) -> Any:
    try:
        return waiting.popleft()
    except IndexError:
        return None
