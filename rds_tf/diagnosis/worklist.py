"""A worklist: every film of a folder diagnosed, two at a time, results beside it."""

from collections import deque
from collections.abc import Callable
from concurrent import futures
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
        todo = list(zip(paths, stems, strict=True))
        with tqdm(total=len(todo), disable=None) as bar:
            return _diagnose_all(todo, models, hand_over, bar)


def _diagnose_all(todo: list, models: diagnose.Models, hand_over, bar: tqdm):
    """Diagnose each `(path, stem)`: while some are judged, one is read and one written.

    The first is alone with the networks, which are compiled then.
    """
    done, refused = [], []
    asked, writing = deque(), deque()
    with (
        futures.ThreadPoolExecutor(1) as writer,
        futures.ThreadPoolExecutor(ABREAST) as judges,
    ):

        def take():
            source, stem, answer = asked.popleft()
            found = answer.result()
            done.append(diagnose.describe(found, source, models))
            if len(writing) > 1:  # films that wait to be written would fill the memory
                writing.popleft().result()
            known = source, stem, found, done[-1], hand_over
            writing.append(writer.submit(_write, *known))
            bar.update()

        try:
            for source, stem in todo:
                try:
                    film = radiograph.open_radiograph(source)
                except radiograph.RadiographError as error:
                    refused.append(str(error))
                    bar.update()
                    continue
                while len(asked) >= (ABREAST if done else 1):
                    take()
                answer = judges.submit(diagnose.diagnose_film, film, models)
                asked.append((source, stem, answer))
        finally:  # a run that is ended keeps what it knows
            while asked:
                take()
        for one in writing:
            one.result()
    return done, refused


def _write(source: Path, stem: Path, found, record: dict, hand_over) -> None:
    drawn = picture.draw(found)
    picture.write(stem.with_name(f"{stem.name}.png"), drawn)
    store.write_json(stem.with_name(f"{stem.name}.json"), record)
    if hand_over:
        hand_over(source, found, record, drawn, stem)
