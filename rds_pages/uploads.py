"""A stranger's film: read in a process of its own, then deleted.

A file that crashes, stalls or floods its decoder costs that process and not the page,
and all memory that it took goes back when the process ends.
"""

import dataclasses
import multiprocessing
import sys
import time
from multiprocessing import connection
from pathlib import Path

from rds_tf.dicom import radiograph

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
        return _read_apart(neutral, seconds)
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
    """Start the process from which readers are forked, so that no visitor waits."""
    context = _choose_context()
    process = context.Process(target=_do_nothing, daemon=True)
    process.start()
    process.join()


def _choose_context():
    """Return a way to start a process that has not TensorFlow in it."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rds_tf.dicom.radiograph"])
    return context


def _do_nothing() -> None:
    pass


def _read_apart(path: Path, seconds: float) -> radiograph.Radiograph:
    """Read a film in a fresh process; kill it when its time is over."""
    context = _choose_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(path, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise radiograph.RadiographError(
                f"Cannot use {path.name}: reading it takes over {seconds:g} seconds."
            )
        answer = ours.recv()
    except EOFError:
        raise radiograph.RadiographError(
            f"Cannot use {path.name}: it breaks the program that decodes it."
        ) from None
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()
    if isinstance(answer, str):
        raise radiograph.RadiographError(answer)
    return answer


def _read(path: Path, channel: connection.Connection) -> None:
    """Send a film, or the sentence that refuses it."""
    _limit_memory()
    try:
        film = radiograph.read_radiograph(path)
        check_shape(film.image.shape)
    except radiograph.RadiographError as error:
        ours = isinstance(error.__cause__, radiograph.RadiographError | None)
        channel.send(str(error) if ours else f"Cannot read {NEUTRAL}: {DAMAGED}.")
    else:
        notes = (ODD,) if film.warnings else ()
        channel.send(dataclasses.replace(film, patient_id="", warnings=notes))


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


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource  # is not everywhere

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
