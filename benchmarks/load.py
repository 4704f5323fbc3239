"""Put thousands of films through one process: does its memory grow, does it slow down?

    python benchmarks/load.py OUT [--prepare 10000] [--diagnose 1000] [--size 256]

Draws `--diagnose` phantoms into OUT/cohort in the study's own layout, both sides of
every film between half and one and a half of `--size`, so that hardly two have one
shape; the films beyond these show the same infants again at other sizes, stored in
other ways. Then this one process runs `prepare` on all of them (`num_workers=1`: in
here) and `diagnose` by the shipped models on the drawn ones, files written as the verbs
write them. After every film it reads the memory that the process holds now (resident
set, not its peak) and the clock, and prints both by tenths. Asked for: the last tenth's
mean memory within 5 % of the second's. The first is left out: it loads, compiles and
fills caches.

A cohort that lies in OUT is used again. About 250 KB of disk a film.
"""

import argparse
import os
import resource
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from rds_phantoms import dataset, outline, phantom
from rds_tf.data import annotation, cohort, prepare
from rds_tf.dicom import radiograph
from rds_tf.storage import disk

LIMIT = 0.05  # growth of memory from the second tenth to the last
LABELS = ("films", "MiB", "films a second", "seconds of processor a film")


def main():
    """Draw, prepare, diagnose, print a table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--prepare", type=int, default=10_000)
    parser.add_argument("--diagnose", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    folder = options.out / "cohort"
    if not (folder / "cohort.csv").exists():
        write_films(folder, options.diagnose, options.prepare, options.size)
    if options.prepare:
        print_tenths("prepare", watch_prepare(folder, options.out, options.prepare))
    if options.diagnose:
        print_tenths("diagnose", watch_diagnose(folder, options.out, options.diagnose))


def write_films(folder: Path, num_drawn: int, num_films: int, size: int) -> None:
    """Write phantoms of odd sizes, then copies of them at others, and a case table."""
    for name in ("dicom", "json", "ett"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    drawn = [draw_case(index, size) for index in range(num_drawn)]
    rows = [dataset.write_case(case, folder)[0] for case in tqdm(drawn, "phantoms")]
    for index in tqdm(range(num_drawn, num_films), "copies"):
        source = index % num_drawn
        case = draw_case(index, size)
        rows.append(write_copy(folder, drawn[source], rows[source], case))
    table = pd.DataFrame(rows, columns=[*cohort.STUDY_COLUMNS, "patient_id"])
    disk.write_whole(folder / "cohort.csv", table.to_csv(index=False).encode())


def write_copy(
    folder: Path, source: dataset.Case, row: dict, case: dataset.Case
) -> dict:
    """Write the infant of one film again, at the size and encoding of another."""
    old, new = (f"case{each.index:04d}" for each in (source, case))
    film = radiograph.read_radiograph(folder / "dicom" / f"{old}.dcm").image
    image = cv2.resize(film, case.shape[::-1], interpolation=cv2.INTER_AREA)
    dataset.write_dicom(folder / "dicom" / f"{new}.dcm", image, case)
    annotated, area = folder / "json" / f"{old}.json", ""
    if annotated.exists():
        scale = np.divide(case.shape, source.shape)[::-1]  # x, y
        polygons = [
            one * scale
            for one in annotation.read_polygons(annotated, shape=source.shape)
        ]
        area = round(annotation.polygon_area(polygons), 1)
        outline.write_labelme(
            folder / "json" / f"{new}.json", polygons, *case.shape, f"{new}.png"
        )
    height, width = case.shape
    sizes = {"roi_area": area, "height": height, "width": width}
    path = f"{dataset.WINDOWS_FOLDER}{new}.dcm"
    return row | sizes | {"filepath": path, "patient_id": case.patient_id}


def draw_case(index: int, size: int) -> dataset.Case:
    """Draw one infant's film: RDS in every second, any angle in every fifth."""
    rng = np.random.default_rng([7, index])
    limit = phantom.RDS_SEVERITY
    upright = index % 5 > 0
    return dataset.Case(
        index=index,
        seed=int(rng.integers(2**31)),
        shape=tuple(int(side) for side in rng.integers(size // 2, 3 * size // 2, 2)),
        severity=float(rng.uniform(limit, 1) if index % 2 else rng.uniform(0, limit)),
        angle_degrees=float(rng.normal(0, 8) if upright else rng.uniform(0, 360)),
        device_names=("ett",) if rng.random() < 0.5 else (),
        findings=(),
        weeks=float(rng.uniform(26, 40)),
        breath=float(rng.normal(0, 1)),
        patient_id=f"phantom{index:05d}",
        has_annotation=index % 10 > 0,
        bits_stored=int(rng.choice([8, 10, 12, 14, 16])),
        inverted=bool(rng.random() < 0.3),
    )


def watch_prepare(folder: Path, out: Path, num_films: int) -> np.ndarray:
    """Prepare the first films in this process; one row of `read_marks` a film."""
    table = pd.read_csv(folder / "cohort.csv").head(num_films)
    table.to_csv(folder / "first.csv", index=False)
    shutil.rmtree(out / "prepared", ignore_errors=True)
    marks, whole = [read_marks()], prepare.prepare_case

    def watched(task):
        record = whole(task)
        marks.append(read_marks())
        return record

    prepare.prepare_case = watched
    try:
        done = prepare.prepare(
            folder / "first.csv", out / "prepared", folder, num_workers=1
        )
    finally:
        prepare.prepare_case = whole
    print(f"prepare: {done.num_images} images, {done.num_rejected} rejected")
    return np.array(marks)


def watch_diagnose(folder: Path, out: Path, num_films: int) -> np.ndarray:
    """Diagnose the first films in this process; one row of `read_marks` a film."""
    from rds_tf.diagnosis import batch, diagnose

    films, results = out / "films", out / "diagnosed"
    for made in (films, results):
        shutil.rmtree(made, ignore_errors=True)
    films.mkdir()
    for film in sorted((folder / "dicom").iterdir())[:num_films]:
        os.link(film, films / film.name)
    marks = [read_marks()]
    done, refused = batch.diagnose_files(
        films, results, diagnose.load_models(), lambda *_: marks.append(read_marks())
    )
    print(f"diagnose: {len(done)} diagnosed, {len(refused)} refused")
    return np.array(marks)


def read_marks() -> tuple[float, float, float]:
    """Return resident MiB, wall seconds and processor seconds of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    mebibytes = pages * resource.getpagesize() / 2**20
    return mebibytes, time.perf_counter(), time.process_time()


def print_tenths(name: str, marks: np.ndarray) -> None:
    """Print memory and speed by tenths, and the growth that is judged."""
    edges = np.linspace(0, len(marks) - 1, 11).round().astype(int)
    print(f"{name}, by tenths: {', '.join(LABELS)}")
    memory = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        memory.append(marks[low + 1 : high + 1, 0].mean())
        _, wall, processor = (marks[high] - marks[low]) / (high - low)
        print(f"  {high:6d} {memory[-1]:8.1f} {1 / wall:7.2f} {processor:9.4f}")
    growth = memory[-1] / memory[1] - 1
    verdict = "flat" if growth <= LIMIT else "GROWS"
    print(f"{name}: memory {growth:+.1%} from the second tenth to the last: {verdict}")


if __name__ == "__main__":
    main()
