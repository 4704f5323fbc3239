"""An executor whose workers run on the machines of a Ray cluster.

Items say by themselves which files must be where, see `remote_task`. What a worker
writes is what a local process would write, byte for byte, on machines of the same kind.
"""

import hashlib
import importlib.util
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rds_tf import errors
from rds_tf.parallel import local, remote_task

MAX_SHARD = 16  # items a task: their files wait in memory until they are collected
CONNECT_SECONDS = 10  # until a cluster answers
NUM_TRIES = 3  # of an item whose worker or machine dies


def choose_executor(name: str, address: str | None = None) -> local.Executor:
    """Return the executor that runs the work of a command.

    Args:
        name: `"local"`, or `"ray"` to connect to a cluster.
        address: `HOST:PORT` of the cluster; None finds one that runs on this machine,
            or starts one of this machine alone.

    Raises:
        InputError: an address without Ray, or one that is not `HOST:PORT`.
        MissingPackageError: Ray is not installed.
        ConnectionError: no cluster answers there, or none can be started.
        RunError: a machine of the cluster cannot run this very code.
    """
    if name == "ray":
        return RayCluster(address)
    if address:
        raise errors.InputError("`--address` needs `--engine ray`.")
    return local


class RayCluster:
    """The `local.Executor` of a Ray cluster."""

    def __init__(self, address: str | None = None) -> None:
        """Connect to the cluster at `address`, see `choose_executor`."""
        self._ray = _import_ray()
        if not self._ray.is_initialized():
            _connect(self._ray, address)
        _check_nodes(self._ray)

    def count_cores(self) -> int:
        """Count the cores of all machines."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def map_items(
        self, function: Callable, items, num_workers: int = 1, description: str = ""
    ) -> list[local.Outcome]:
        """Apply a pure function to many items, as `local.map_items` does.

        A task takes a shard of items. If its worker dies, each is tried by itself.

        Raises:
            RunError: a machine lacks a file that an item reads, or has another one.
        """
        items = list(items)
        size = max(1, min(MAX_SHARD, len(items) // (4 * num_workers)))
        places = range(len(items))
        shards = [places[start : start + size] for start in places[::size]]
        # A task in reserve for each worker, unless fewer than all cores are wanted.
        room = num_workers * (1 if num_workers < self.count_cores() else 2)
        return self._map(function, items, shards, room, description, num_cpus=1)

    def map_isolated(
        self, function: Callable, items, num_workers: int = 1, description: str = ""
    ) -> list[local.Outcome]:
        """Apply a function as `local.map_isolated` does, with a GPU an item if any."""
        items = list(items)
        gpus = min(1, int(self._ray.cluster_resources().get("GPU", 0)))
        options = {"num_cpus": 1, "num_gpus": gpus, "max_calls": 1}
        options["scheduling_strategy"] = "SPREAD"
        shards = [[index] for index in range(len(items))]
        return self._map(function, items, shards, num_workers, description, **options)

    def _map(
        self, function, items: list, shards: list, room: int, description, **options
    ) -> list[local.Outcome]:
        """Keep `room` tasks in flight until every item has its outcome."""
        outcomes: list[local.Outcome | None] = [None] * len(items)
        task = self._ray.remote(max_retries=0, **options)(_run_shard)
        waiting, in_flight = deque((shard, NUM_TRIES) for shard in shards), {}
        progress = local.Progress(len(items), description)
        with remote_task.mark_origin(items) as origin, progress.bar:
            # Ray fetches an argument at once, but what is inside a list on demand.
            payload = [self._ray.put(remote_task.pack(items, origin))]
            try:
                while waiting or in_flight:
                    while waiting and len(in_flight) < room:
                        shard, tries = waiting.popleft()
                        sent = [remote_task.describe(items[index]) for index in shard]
                        reference = task.remote(function, sent, origin, payload)
                        in_flight[reference] = shard, tries
                    reference = self._ray.wait(list(in_flight))[0][0]
                    shard, tries = in_flight.pop(reference)
                    results = self._fetch(reference)
                    if results is None and (len(shard) > 1 or tries > 1):
                        waiting.extendleft(([index], tries - 1) for index in shard)
                        continue
                    for index, result in zip(shard, results or [None], strict=True):
                        item = items[index]
                        outcomes[index] = remote_task.collect(item, result, origin)
                        progress.update(outcomes[index])
            finally:
                for reference in in_flight:
                    self._ray.cancel(reference, force=True)
        return outcomes

    def _fetch(self, reference) -> list | None:
        """Return what a task returned, or None where its worker or machine died."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            return None


def _run_shard(function: Callable, sent: list, origin, payload: list) -> list:
    ray = _import_ray()
    return remote_task.run_shard(function, sent, origin, lambda: ray.get(payload[0]))


def _import_ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:  # or a folder of that name lies here
        raise errors.MissingPackageError(
            "`--engine ray` needs Ray, which is not installed: run "
            "pip install -c constraints-ray.txt '.[ray]' in the project's folder."
        )
    return importlib.import_module("ray")


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
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        cause = error.strerror or error
        raise ConnectionError(f"No Ray cluster on {address}: {cause}.") from error


def _check_nodes(ray) -> None:
    """Refuse a machine that runs other code: it would give other results."""
    here = _hash_code()
    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    task = ray.remote(num_cpus=0)(_hash_code)
    asked = []  # all are asked before one is awaited: each starts a worker
    for node in [node for node in ray.nodes() if node["Alive"]]:
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        strategy = affinity(node["NodeID"], soft=False)
        asked.append((name, task.options(scheduling_strategy=strategy).remote()))
    for name, reference in asked:
        try:
            there = ray.get(reference)
        except ray.exceptions.RayError as error:
            cause = str(error).strip().rpartition("\n")[2]
            raise errors.RunError(f"{name} cannot run rds_tf: {cause}") from error
        if there != here:
            raise errors.RunError(f"{name} has another rds_tf: install this one there.")


def _hash_code() -> str:
    files = sorted(Path(__file__).parents[1].rglob("*.py"))  # all of rds_tf
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
