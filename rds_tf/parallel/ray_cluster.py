"""The two functions of `engine` on the executor of a Ray cluster.

Items say by themselves what must be where, see `errand`. What a worker writes is what a
local process would have written, byte for byte, on executor of the same kind.
"""

import hashlib
import importlib.util
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rds_tf import errors
from rds_tf.parallel import local, remote_task

NAMES = ("local", "ray")
MAX_SHARD = 16  # items a task: their files wait in memory until they are home
MOST_SECONDS = 10  # until a cluster answers
TRIES = 3  # of an item whose worker or machine dies


def choose_executor(name: str, address: str | None = None):
    """Return the module that runs the work of a verb: `engine`, or this one.

    Args:
        name: `"local"`, or `"ray"` to connect to a cluster.
        address: `HOST:PORT` of the cluster; None finds one that runs on this machine,
            or starts one of this machine alone.

    Raises:
        ValueError: an address without Ray.
        ImportError: Ray is not installed.
        ConnectionError: no cluster answers there, or none can be started.
        RuntimeError: a machine of the cluster cannot run this very code.
    """
    if name == "local":
        if address:
            raise errors.InputError("`--address` needs `--engine ray`.")
        return local
    ray = _import_ray()
    if not ray.is_initialized():
        _connect(ray, address)
    _check_nodes(ray)
    return sys.modules[__name__]


def _connect(ray, address: str | None) -> None:
    if address:
        _check_address(address)  # Ray itself would try for minutes
    try:
        quiet = {"log_to_driver": False, "logging_level": "error"}
        ray.init(address, include_dashboard=None if address else False, **quiet)
    except Exception as error:  # Ray raises bare ones where a start times out
        cause = " ".join(str(error.__cause__ or error).split())[:200]
        place = address or "this machine"
        raise ConnectionError(f"No Ray cluster on {place}: {cause}") from error


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise errors.InputError(f"`--address` must be HOST:PORT. Received: {address!r}")
    try:
        socket.create_connection((host, int(port)), MOST_SECONDS).close()
    except OSError as error:
        cause = error.strerror or error
        raise ConnectionError(f"No Ray cluster on {address}: {cause}.") from error


def count_cores() -> int:
    """Count the cores of all executor."""
    return max(1, int(_import_ray().cluster_resources().get("CPU", 1)))


def map_items(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    num_workers: int = 1,
    description: str = "",
) -> list[local.Outcome]:
    """Apply a pure function to many items, as `local.map_items` does.

    A task takes a shard of items. Where its worker dies, each of them is tried apart.

    Raises:
        RuntimeError: a machine lacks a file that an item reads, or has another one.
    """
    items = list(items)
    size = max(1, min(MAX_SHARD, len(items) // (4 * num_workers)))
    starts = range(0, len(items), size)
    shards = [list(range(len(items)))[start : start + size] for start in starts]
    room = num_workers * (1 if num_workers < count_cores() else 2)
    return _map(function, items, shards, {"num_cpus": 1}, (room, description))


def map_isolated(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    num_workers: int = 1,
    description: str = "",
) -> list[local.Outcome]:
    """Apply a function to items, each in a fresh process, as `local.map_isolated` does.

    Each has a GPU of its own where the cluster has any.
    """
    items = list(items)
    gpus = min(1, int(_import_ray().cluster_resources().get("GPU", 0)))
    options = {"num_cpus": 1, "num_gpus": gpus, "max_calls": 1}
    options["scheduling_strategy"] = "SPREAD"
    shards = [[index] for index in range(len(items))]
    return _map(function, items, shards, options, (num_workers, description))


def _import_ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tell nobody outside
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:  # or a folder of that name lies here
        raise errors.MissingPackageError(
            "`--engine ray` needs Ray, which is not installed: run "
            "pip install -c constraints-ray.txt '.[ray]' in the project's folder."
        )
    return importlib.import_module("ray")


def _check_nodes(ray) -> None:
    """Refuse a machine that runs other code: it would give other results."""
    here = _hash_code()
    near = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    ask = ray.remote(num_cpus=0)(_hash_code)
    asked = []  # all at once: each starts a worker
    for node in [node for node in ray.nodes() if node["Alive"]]:
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        strategy = near(node["NodeID"], soft=False)
        asked.append((name, ask.options(scheduling_strategy=strategy).remote()))
    for name, answer in asked:
        try:
            there = ray.get(answer)
        except ray.exceptions.RayError as error:
            cause = str(error).strip().rpartition("\n")[2]
            raise errors.RunError(f"{name} cannot run rds_tf: {cause}") from error
        if there != here:
            raise errors.RunError(f"{name} has another rds_tf: install this one there.")


def _hash_code() -> str:
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _map(function, items: list, shards: list, options: dict, run: tuple) -> list:
    """Keep `room` tasks in flight until every item has its outcome."""
    ray = _import_ray()
    room, description = run
    outcomes: list[local.Outcome | None] = [None] * len(items)
    task = ray.remote(max_retries=0, **options)(_run_shard)
    waiting, in_flight = deque((shard, TRIES) for shard in shards), {}
    bar = tqdm(total=len(items), desc=description, disable=None)
    with remote_task.mark_origin(items) as home, bar:
        luggage = [
            ray.put(remote_task.pack(items, home))
        ]  # a list: fetched where needed
        try:
            while waiting or in_flight:
                while waiting and len(in_flight) < room:
                    shard, tries = waiting.popleft()
                    sent = [remote_task.describe(items[index]) for index in shard]
                    reference = task.remote(function, sent, home, luggage)
                    in_flight[reference] = shard, tries
                reference = ray.wait(list(in_flight))[0][0]
                shard, tries = in_flight.pop(reference)
                results = _fetch(ray, reference)
                if results is None and (len(shard) > 1 or tries > 1):
                    waiting.extendleft(([index], tries - 1) for index in shard)
                    continue
                for index, result in zip(shard, results or [None], strict=True):
                    outcomes[index] = remote_task.collect(items[index], result, home)
                    bar.update()
        finally:
            for reference in in_flight:
                ray.cancel(reference, force=True)
    return outcomes


def _run_shard(function, sent: list, home, luggage: list) -> list:
    ray = _import_ray()
    return remote_task.run_shard(function, sent, home, lambda: ray.get(luggage[0]))


def _fetch(ray, reference) -> list | None:
    """Return what a task returned, or None where its worker or machine died."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError:
        return None
