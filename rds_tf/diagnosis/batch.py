"""Diagnose a batch: every radiograph of a folder gets one JSON and one overlay PNG."""

from collections import Counter, deque
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from rds_tf.data import preprocessing
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph
from rds_tf.plotting import overlay
from rds_tf.storage import disk

SKIPPED = {".json", ".csv", ".txt", ".md", ".xlsx", ".xml", ".html", ".ini", ".db"}
NUM_AT_ONCE = 2  # images in the networks at once: one leaves half of two cores idle
LONGEST_PX = 1024
# No method drew a map yet that points better than the middle does: docs/diagnosis.md.
HEAT = "Heat map: context, not evidence. {proportion:.0%} of it lay in the lungs."
# A third smaller than by OpenCV's defaults, and sooner.
PNG_SETTINGS = (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB)


def diagnose_files(
    path: str | Path,
    out: str | Path,
    models: diagnose.Models,
    export: Callable | None = None,
) -> tuple[list[dict], list[str]]:
    """Diagnose a file or a folder; write one JSON and one overlay PNG for each.

    Args:
        path: a DICOM, PNG or JPEG file, or a folder, searched with its subfolders.
        out: folder for `<name>.json` and `<name>.png`.
        models: from `diagnose.load_models`.
        export: called for each file, in their order, as `dicom_export.export`.

    Returns:
        The records that were written, and one sentence for each file that was refused.
    """
    path, out = Path(path), Path(out)
    with disk.claim(out):
        paths = find_files(path, out)
        names = name_outputs(paths, path)
        check_outputs(paths, names, out)
        stems = [out / name for name in names]
        with tqdm(total=len(paths), disable=None) as bar:
            return _diagnose_all(
                dict(zip(paths, stems, strict=True)), models, export, bar
            )


def _diagnose_all(stems: dict[Path, Path], models: diagnose.Models, export, bar: tqdm):
    """Diagnose each file: while some are judged, one is read and one written."""
    records, refused = [], []
    running, writing = deque(), deque()  # in the order of the files
    with (
        futures.ThreadPoolExecutor(1) as writer,
        futures.ThreadPoolExecutor(NUM_AT_ONCE) as judges,
    ):

        def collect():
            path, future = running.popleft()
            found = future.result()
            records.append(diagnose.describe(found, path, models))
            if len(writing) > 1:  # images that wait to be written would fill the memory
                writing.popleft().result()
            task = _write_results, path, found, records[-1], stems[path], export
            writing.append(writer.submit(*task))
            bar.update()

        try:
            for path in stems:
                try:
                    read = radiograph.read_radiograph(path)
                except radiograph.RadiographError as error:
                    refused.append(str(error))
                    bar.update()
                    continue
                # The first is alone with the networks, which are compiled then.
                while len(running) >= (NUM_AT_ONCE if records else 1):
                    collect()
                future = judges.submit(diagnose.diagnose_radiograph, read, models)
                running.append((path, future))
        finally:  # a run that is interrupted writes what is diagnosed
            while running:
                collect()
        for one in writing:
            one.result()
    return records, refused


def _write_results(path: Path, found, record: dict, stem: Path, export) -> None:
    drawn = draw_diagnosis(found)
    target = stem.with_name(f"{stem.name}.png")
    bgr = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
    whole, content = cv2.imencode(".png", bgr, PNG_SETTINGS)
    if not whole:
        raise OSError(f"{target}: the overlay cannot be encoded as PNG.")
    disk.write_whole(target, content.tobytes())
    disk.write_json(stem.with_name(f"{stem.name}.json"), record)
    if export:
        export(path, found, record=record, overlay=drawn, stem=stem)


def find_files(path: str | Path, out: str | Path) -> list[Path]:
    """Return the files to diagnose: `path` itself, or what lies below it.

    Results of an earlier run in `out`, a folder below `path`, are passed over.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    here, results = path.resolve(), Path(out).resolve()
    below = results != here and results.is_relative_to(here)
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix.lower() not in SKIPPED
        and not file.name.startswith((".", "DICOMDIR"))
        and not (below and file.resolve().is_relative_to(results))
    ]
    if not found:
        raise FileNotFoundError(f"{path}: there is no file to diagnose.")
    return found


def name_outputs(paths: list[Path], root: Path) -> list[str]:
    """Name outputs by the stem of the file, or by its path where two share it."""
    counts = Counter(path.stem.casefold() for path in paths)
    unique: dict[str, str] = {}
    for path in paths:
        name = path.stem
        if counts[name.casefold()] > 1:
            name = "__".join(path.relative_to(root).parts).replace(".", "_")
        while name.casefold() in unique:  # a path can spell another file's stem
            name += "_"
        unique[name.casefold()] = name
    return list(unique.values())


def check_outputs(paths: list[Path], names: list[str], out: Path) -> None:
    """Raise FileExistsError if one of `<name>.png` in `out` is an input file."""
    sources = {path.resolve() for path in paths}
    for name in names:
        if (target := out / f"{name}.png").resolve() in sources:
            raise FileExistsError(
                f"{target}: is an input, and its results would take its place; name "
                "another folder."
            )


def draw_diagnosis(found: diagnose.Diagnosis) -> np.ndarray:
    """Draw an image with its lungs, its heat map and a caption below.

    The caption gives the probability and the decision, or why there are none; how far
    the heat map may be believed; and what the models were trained on.

    Returns:
        uint8 RGB `(H', W')` of square pixels, the image's longer side at most
        `LONGEST_PX`.
    """
    found = found.make_square()
    scale = min(1.0, LONGEST_PX / max(found.image.shape))
    size = tuple(max(1, round(side * scale)) for side in found.image.shape[::-1])
    image = cv2.resize(found.image, size, interpolation=cv2.INTER_AREA)
    mask, heat = (cv2.resize(layer, size) for layer in (found.mask, found.heatmap))
    lines = [found.statement]
    if found.heatmap.any():
        lines.append(HEAT.format(proportion=found.heat_in_lungs))
    caption = "\n".join([*lines, found.trained_on])
    return overlay.draw_overlay(preprocessing.stretch(image), mask, heat, caption)
