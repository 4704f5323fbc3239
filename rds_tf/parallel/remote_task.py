"""An item of work that is done on another machine, and the files that it writes.

The origin is the machine that runs the command, and its output folder. A machine that
sees this folder writes there itself; from another one, the files are sent back and are
written at the origin. An item finds its input files at the same path on every machine,
and each is checked to be the file that it is at the origin.

An item is a dataclass that may have these attributes: `out`, the folder that it writes
to, the same for all items of a call; `reads`, the files that must be the same on every
machine; `takes`, files below `out` that it reads: they are its payload; `title`, what
lines of progress call it.
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
from rds_tf.parallel import isolated, local
from rds_tf.storage import disk


@dataclass(frozen=True)
class Origin:
    """The folder that results belong in, and how a worker knows whether it sees it."""

    out: Path  # the folder, absolute
    mark: str  # name of a file in it that lies in no other folder
    folders: tuple[str, ...]  # names of the folders in it


@contextmanager
def mark_origin(items: list) -> Iterator[Origin | None]:
    """Mark the folder of items while they run; None for items that write nothing."""
    out = getattr(items[0], "out", None) if items else None
    if out is None:
        yield None
        return
    out = Path(out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    folders = tuple(path.name for path in out.iterdir() if path.is_dir())
    # `disk.claim` deletes a file of such a name that a killed run left.
    origin = Origin(out, f".{uuid.uuid4().hex}.{os.getpid()}.part", folders)
    disk.write_whole(out / origin.mark, b"")
    try:
        yield origin
    finally:
        (out / origin.mark).unlink(missing_ok=True)


def pack(items: list, origin: Origin | None) -> dict[str, bytes]:
    """Read the payload of all items: the content of each file, by its name in `out`."""
    taken = [path for item in items for path in getattr(item, "takes", ())]
    taken = {Path(path).absolute() for path in taken}
    return {p.relative_to(origin.out).as_posix(): p.read_bytes() for p in taken}


def describe(item) -> tuple[Any, dict[Path, tuple | None]]:
    """Return an item with absolute paths, and size and time of each file it reads."""
    if is_dataclass(item):
        values = {field.name: getattr(item, field.name) for field in fields(item)}
        paths = {n: v.absolute() for n, v in values.items() if isinstance(v, Path)}
        item = replace(item, **paths)
    return item, {path: _stamp(path) for path in getattr(item, "reads", ())}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def run_shard(
    function: Callable, sent: list, origin: Origin | None, fetch: Callable
) -> list[tuple]:
    """Do the items of a shard, on a worker.

    Args:
        sent: items as `describe` returns them.
        origin: as `mark_origin` yields it.
        fetch: returns what `pack` packed; called only where the origin is not seen.

    Returns:
        `(value, error, files)` of each item; no files where the origin is seen.

    Raises:
        RunError: a file that an item reads is not here, or is another one.
    """
    os.environ[isolated.WORKER_MARK] = "1"
    for _, files in sent:
        for path, stamp in files.items():
            if _stamp(path) != stamp:
                raise errors.RunError(
                    f"{platform.node()} has no {path}, or not the one of the machine "
                    "that runs the command: share that folder, or copy it with its "
                    "times (rsync -a)."
                )
    if origin is None or (origin.out / origin.mark).is_file():
        done = (local.attempt(function, item) for item, _ in sent)
        return [(outcome.value, outcome.error, []) for outcome in done]
    payload = fetch()
    return [_run_remotely(function, item, origin, payload) for item, _ in sent]


def _run_remotely(
    function: Callable, item, origin: Origin, payload: dict[str, bytes]
) -> tuple:
    """Do an item in a temporary folder of this machine, and return what it wrote."""
    with tempfile.TemporaryDirectory(prefix="rds_tf_") as folder:
        out = Path(folder)
        for name in origin.folders:
            (out / name).mkdir()
        for name, data in payload.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            disk.write_whole(out / name, data)
        outcome = local.attempt(function, replace(item, out=out))
        written = [path for path in out.rglob("[!.]*") if path.is_file()]
        # In the order of writing; by name where the clock of the disk is too coarse.
        written.sort(key=lambda path: (path.stat().st_mtime_ns, path))
        names = [path.relative_to(out).as_posix() for path in written]
        files = [(n, (out / n).read_bytes()) for n in names if n not in payload]
    error = outcome.error and outcome.error.replace(folder, str(origin.out))
    return outcome.value, error, files


def collect(item, result: tuple | None, origin: Origin | None) -> local.Outcome:
    """Write the files of an item at the origin, in the order in which it wrote them.

    The file that says that an item is done, such as its record, thus comes last.
    `result` is of `run_shard`, None where the item's workers died.
    """
    if result is None:
        return local.Outcome(item, error=local.WORKER_DIED)
    value, error, files = result
    for name, data in files:
        path = origin.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write_whole(path, data)
    return local.Outcome(item, value, error)
