"""Files: read within a bound, written whole or not at all, one run a folder."""

import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from rds_tf import errors

PART = re.compile(r"\..+\.[0-9]+\.part")  # what `write_whole` leaves when killed
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # disk or quota


class DiskFullError(OSError):
    """No space is left for a file, so the next file will fail too."""


def read_whole(path: str | Path, max_bytes: int) -> bytes:
    """Read a file, unless it has no end or is too large for its kind.

    Raises:
        OSError: it cannot be read, is a pipe or a device, or is too large; its
            `strerror` says which.
    """
    # A pipe may never end, and /dev/zero never does.
    status = os.stat(path)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "It is a pipe or a device, not a file", str(path))
    if status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f"It is larger than {max_bytes} bytes", str(path))
    return Path(path).read_bytes()


def write_whole(path: str | Path, data: bytes | memoryview) -> None:
    """Write a file under a temporary name, then rename it: never half written.

    Raises:
        DiskFullError: no space is left for it.
        OSError: the file cannot be written, such as for want of its folder; the
            message names it. A device or a pipe of that name is left alone.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a rename would replace the device
        raise OSError(f"Cannot write {path}: something that is no file has the name.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        kind = DiskFullError if error.errno in FULL else OSError
        raise kind(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def claim(folder: str | Path) -> Iterator[None]:
    """Lock a folder, made if need be, while this run writes there.

    The operating system holds the lock, on a file `.lock` that stays, and drops it when
    the process ends, even by a kill. The next run takes over, and deletes what a killed
    one left half written.

    Raises:
        BlockingIOError: another run holds the folder.
        OSError: the folder cannot be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(
            f"{folder}: another run is writing there; wait, or name another folder."
        ) from None
    try:
        for part in folder.rglob(".*.part"):
            # A folder below may have a lock of its own, held by another run.
            *between, _ = part.relative_to(folder).parents
            claimed = any((folder / one / ".lock").exists() for one in between)
            if PART.fullmatch(part.name) and not claimed:
                part.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def write_json(path: str | Path, content) -> None:
    """Write JSON whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode())


def read_json(path: str | Path):
    """Read what `write_json` wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_record(path: str | Path, required: tuple[str, ...]) -> dict:
    """Read a JSON object that holds these names.

    Raises:
        errors.InputError: the file is not JSON, or lacks a name.
    """
    try:
        content = read_json(path)
    except ValueError as error:
        raise errors.InputError(f"{path}: cannot be read: {error}.") from error
    missing = set(required) - set(content if isinstance(content, dict) else ())
    if missing:
        raise errors.InputError(f"{path}: lacks {', '.join(sorted(missing))}.")
    return content
