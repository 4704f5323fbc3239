"""An item of work that is done on another machine, and its files, which come home.

A machine that sees the run's folder writes there itself; from one that does not, the
files come home and are written there. What reads films or tables finds them at the same
path on every machine, and each is checked to be the file that it is at home.

An item is a dataclass that may say: `out`, the folder that it writes to, the same for
all items of a call; `reads`, the files that must be the same on every machine; `takes`,
files below `out` that it reads and that travel with it.
"""

import os
import platform
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from rds_tf import errors
from rds_tf.parallel import local
from rds_tf.storage import disk

MARK = "RDS_TF_WORKER"  # set in a worker whose death costs one item


@dataclass(frozen=True)
class Origin:
    """Where results belong, and how a machine knows whether it sees that place."""

    out: Path
    mark: str
    folders: tuple[str, ...]


def is_worker() -> bool:
    """Say whether this process is a worker of a cluster."""
    return MARK in os.environ


def collect(item, result, home: Origin | None) -> local.Outcome:
    """Write the files of an item, in the order in which its worker wrote them.

    So what says that the item is done comes last: its record, its predictions. Their
    names come last too, for files that one tick of the clock saw written.
    """
    if result is None:
        return local.Outcome(item, error=local.WORKER_DIED)
    value, error, files = result
    for name, data in files:
        path = home.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_whole(path, data)
    return local.Outcome(item, value, error)


@contextmanager
def mark_origin(items: list) -> Iterator[Origin | None]:
    """Lay a file of a name that no other folder holds where the results belong."""
    out = getattr(items[0], "out", None) if items else None
    if out is None:
        yield None
        return
    out = Path(out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    folders = tuple(path.name for path in out.iterdir() if path.is_dir())
    mark = f".{uuid.uuid4().hex}.{os.getpid()}.part"  # `claim` deletes a dead one
    home = Origin(out, mark, folders)
    disk.write_whole(out / home.mark, b"")
    try:
        yield home
    finally:
        (out / home.mark).unlink(missing_ok=True)


def pack(items: list, home: Origin | None) -> dict[str, bytes]:
    """Read the files that travel with the items, by their names below home."""
    taken = {Path(path).absolute() for item in items for path in _list(item, "takes")}
    return {path.relative_to(home.out).as_posix(): path.read_bytes() for path in taken}


def describe(item) -> tuple[Any, dict[Path, tuple | None]]:
    """Return an item with absolute paths, and what its files are like here."""
    if is_dataclass(item):
        values = {field.name: getattr(item, field.name) for field in fields(item)}
        paths = {n: v.absolute() for n, v in values.items() if isinstance(v, Path)}
        item = replace(item, **paths)
    return item, {path: _stamp(path) for path in _list(item, "reads")}


def _list(item, name: str) -> tuple[Path, ...]:
    return getattr(item, name, ())


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def run_shard(
    function: Callable, sent: list, home: Origin | None, fetch: Callable
) -> list[tuple]:
    """Do the items of a shard, on a worker.

    Args:
        function: of one item.
        sent: items as `describe` gives them.
        home: where their results belong, None for items that write nothing.
        fetch: gives what `pack` packed; called only far from home.

    Returns:
        `(value, error, files)` of each item; no files where home is seen.

    Raises:
        RuntimeError: a file that an item reads is not here, or is another one.
    """
    os.environ[MARK] = "1"
    for _, files in sent:
        for path, stamp in files.items():
            if _stamp(path) != stamp:
                raise errors.RunError(
                    f"{platform.node()} has no {path}, or not the one of the machine "
                    "that runs the verb: share that folder, or copy it with its times "
                    "(rsync -a)."
                )
    if home is None or (home.out / home.mark).is_file():
        done = (local.attempt(function, item) for item, _ in sent)
        return [(outcome.value, outcome.error, []) for outcome in done]
    taken = fetch()
    return [_run_remotely(function, item, home, taken) for item, _ in sent]


def _run_remotely(function, item, home: Origin, taken: dict[str, bytes]) -> tuple:
    """Do an item in a folder of this machine alone, and return what it wrote."""
    with tempfile.TemporaryDirectory(prefix="rds_tf_") as folder:
        out = Path(folder)
        for name in home.folders:
            (out / name).mkdir()
        for name, data in taken.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            disk.write_whole(out / name, data)
        outcome = local.attempt(function, replace(item, out=out))
        written = [path for path in out.rglob("[!.]*") if path.is_file()]
        written.sort(key=lambda path: (path.stat().st_mtime_ns, path))
        names = [path.relative_to(out).as_posix() for path in written]
        files = [(n, (out / n).read_bytes()) for n in names if n not in taken]
    error = outcome.error and outcome.error.replace(folder, str(home.out))
    return outcome.value, error, files
