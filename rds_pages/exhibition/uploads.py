"""A stranger's film: read in a process of its own, then deleted.

A file that crashes, stalls or floods its decoder costs that process and not the page,
and all memory that it took goes back when the process ends.
"""

import dataclasses
import time
from pathlib import Path

from rds_tf.dicom import radiograph
from rds_tf.parallel import isolated

MAX_BYTES = 2**26  # of a file that is sent
MAX_PIXELS = 2**25
SHORTEST_PX, LONGEST_PX = 32, 8192
SECONDS = 20.0
MEMORY_BYTES = 2**32
NEUTRAL = "this film"  # a file's own name may be the patient's
DAMAGED = "it is damaged, or of no kind that this page reads"
ODD = "The file departs from its standard; compare the picture with the original."


def read_upload(
    path: str | Path, folder: str | Path, seconds: float = SECONDS
) -> radiograph.Radiograph:
    """Read an uploaded film and delete its file, whatever comes of it.

    Args:
        path: the temporary file.
        folder: where uploads lie; a file elsewhere is refused and left alone.
        seconds: float, how long reading may take.

    Returns:
        The film, without pseudonym. What decoders complain of may quote the header,
        so neutral words stand for it here and in a refusal.

    Raises:
        radiograph.RadiographError: the film is refused, in a sentence that does not
            hold the file's name.
    """
    path = Path(path)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise radiograph.RadiographError(f"Cannot use {NEUTRAL}: it was not uploaded.")
    neutral = path.with_name(NEUTRAL)
    try:
        if path.is_file():
            path.replace(neutral)
        return _read_isolated(neutral, seconds)
    finally:
        neutral.unlink(missing_ok=True)


def sweep(folder: str | Path, age_seconds: float = 120.0) -> int:
    """Delete files of a folder that lie there longer, and folders left empty.

    For what was uploaded and never asked about. Returns the number of files.
    """
    oldest = time.time() - age_seconds
    found = sorted(Path(folder).rglob("*"), reverse=True)  # children first
    old = [path for path in found if path.lstat().st_mtime < oldest]
    count = 0
    for path in old:
        if not path.is_dir():
            path.unlink(missing_ok=True)
            count += 1
        elif not any(path.iterdir()):
            path.rmdir()
    return count


def start_reader() -> None:
    """Start the process that will read the next upload, so that no visitor waits."""
    isolated.start_spare(_read, memory_bytes=MEMORY_BYTES)


def _read_isolated(path: Path, seconds: float) -> radiograph.Radiograph:
    """Read a radiograph in a process of its own, killed when its time is over."""
    limits = {"seconds": seconds, "memory_bytes": MEMORY_BYTES}
    try:
        return isolated.run(_read, path, **limits, quiet=True)
    except isolated.TimeLimitError:
        cause = f"reading it takes over {seconds:g} seconds"
    except isolated.IsolatedError:
        cause = "it breaks the program that decodes it"
    finally:
        start_reader()
    raise radiograph.RadiographError(f"Cannot use {path.name}: {cause}.")


def _read(path: Path) -> radiograph.Radiograph:
    """Read a radiograph, or refuse it, without a word from its header or decoder."""
    try:
        film = radiograph.read_radiograph(path)
    except radiograph.RadiographError as error:
        if isinstance(error.__cause__, radiograph.RadiographError | None):
            raise
        raise radiograph.RadiographError(f"Cannot read {NEUTRAL}: {DAMAGED}.") from None
    check_shape(film.image.shape)
    notes = (ODD,) if film.warnings else ()
    return dataclasses.replace(film, patient_id="", warnings=notes)


def check_shape(shape: tuple[int, int]) -> None:
    """Refuse what no chest film measures.

    Raises:
        radiograph.RadiographError: a side or the number of pixels is out of bounds.
    """
    height, width = shape
    short = min(shape) < SHORTEST_PX
    if short or max(shape) > LONGEST_PX or height * width > MAX_PIXELS:
        raise radiograph.RadiographError(
            f"Cannot use {NEUTRAL}: it is {height} x {width} pixels, this page takes "
            f"sides of {SHORTEST_PX} to {LONGEST_PX} and {MAX_PIXELS} in all."
        )
