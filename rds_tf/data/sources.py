"""Files that strangers wrote, read whole or not at all."""

import errno
import os
import stat
from pathlib import Path


def read_whole(path: str | Path, most_bytes: int) -> bytes:
    """Read a file, unless it has no end or is too large for its kind.

    Args:
        path: the file.
        most_bytes: the largest size that is read.

    Raises:
        OSError: it cannot be read, is a pipe or a device, or is too large; its
            `strerror` says which.
    """
    status = os.stat(path)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "It is a pipe or a device, not a file", str(path))
    if status.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"It is larger than {most_bytes} bytes", str(path))
    return Path(path).read_bytes()
