"""A worklist: every film of a folder diagnosed, two at a time, results beside it."""

from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path

from tqdm import tqdm

from rds_tf import engine, store
from rds_tf.data import radiograph
from rds_tf.diagnosis import diagnose, films, picture

ABREAST = 2  # films with the networks at once: one leaves half of two cores idle


def diagnose_files(
    path: str | Path,
    out: str | Path,
    models: diagnose.Models,
    hand_over: Callable | None = None,
) -> tuple[list[dict], list[str]]:
    """Diagnose a file or a folder; write one JSON and one overlay PNG a film.

    Args:
        path: a film, or a folder that is searched with its subfolders.
        out: folder for `<name>.json` and `<name>.png`.
        models: from `diagnose.load_models`.
        hand_over: called after each film, in their order, with its path, its
            `Diagnosis`, its record of `diagnose.describe`, its picture of
            `picture.draw` and the path that its outputs start with, as
            `study.dicom_out.write`.

    Returns:
        What was written, and one sentence for each file that was refused.
    """
    path, out = Path(path), Path(out)
    with engine.claim(out):
        paths = films.find_films(path, out)
        names = films.name_outputs(paths, path)
        films.check_outputs(paths, names, out)
        stems = [out / name for name in names]
        todo = tqdm(list(zip(paths, stems, strict=True)), disable=None)
        return _diagnose_all(todo, models, hand_over)


def _diagnose_all(todo, models: diagnose.Models, hand_over: Callable | None):
    """Diagnose each `(path, stem)`; results are written beside the next films' passes.

    Not beside their reading: there the warnings of the whole process are caught.
    """
    done, refused, judge = [], [], diagnose.diagnose_film
    write = list  # nothing yet
    with futures.ThreadPoolExecutor(1 + ABREAST) as pool:
        try:
            for batch in _read(todo, refused):
                writing, known = pool.submit(write), []
                write = partial(_write, known, hand_over)
                asked = [pool.submit(judge, film, models) for _, _, film in batch]
                for (source, stem, _), answer in zip(batch, asked, strict=True):
                    found = answer.result()
                    done.append(diagnose.describe(found, source, models))
                    known.append((source, stem, found, done[-1]))
                writing.result()
        finally:  # a run that is ended keeps what it knows
            write()
    return done, refused


def _read(todo, refused: list[str]) -> Iterator[list[tuple]]:
    """Yield `(path, stem, radiograph)` of the first film, then of `ABREAST` at a time.

    The first is alone with the networks, which are compiled then.
    """
    batch, size = [], 1
    for source, stem in todo:
        try:
            batch.append((source, stem, radiograph.open_radiograph(source)))
        except radiograph.RadiographError as error:
            refused.append(str(error))
        if len(batch) == size:
            yield batch
            batch, size = [], ABREAST
    if batch:
        yield batch


def _write(known: list[tuple], hand_over: Callable | None) -> None:
    for source, stem, found, record in known:
        drawn = picture.draw(found)
        picture.write(stem.with_name(f"{stem.name}.png"), drawn)
        store.write_json(stem.with_name(f"{stem.name}.json"), record)
        if hand_over:
            hand_over(source, found, record, drawn, stem)
