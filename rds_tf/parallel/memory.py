"""How much memory this process may take, and what it gives back."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # the options of mallopt(3)
HIGHEST = 2**31 - 1


def keep_freed() -> bool:
    """Keep the memory of freed arrays of any size until the process ends.

    Otherwise the GNU C library returns it to the system, which hands it out again
    page by page and filled with zeros: 5,900 faults for an image of 2,000 x 2,000, a
    fifth of the time of its conversion. Memory stays at its peak instead, which does
    not rise any further. Returns False on systems without this setting.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in musl
    if mallopt is None:
        return False
    return mallopt(MMAP_THRESHOLD, HIGHEST) == mallopt(TRIM_THRESHOLD, HIGHEST) == 1


def limit(num_bytes: int) -> None:
    """Let this process take no more address space; only Linux can."""
    if sys.platform == "linux":
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))
