"""Lay drawn films on one sheet to look at, and real ones beside them at equal size.

    python benchmarks/phantom_sheet.py SHEET.png [--size 220]
        [--prepared PREPARED --beside BESIDE.png [--films FILE ...]]

SHEET: newborns of 24 to 40 weeks by grade 0 to 4, one seed a row, so that nothing but
the grade differs along it; devices; babygrams; other findings; children. Every tile
says how it was drawn.
BESIDE, to look at and never to share: real children of PREPARED in one row and drawn
ones of the same shapes in the next, normal and opaque; single real films (`--films`)
and drawn newborns of every grade after each.
"""

import argparse
from pathlib import Path

import cv2
import drawn_films
import numpy as np

from rds_phantoms import devices, disease
from rds_tf.data import prepare
from rds_tf.dicom import radiograph

Tile = tuple[str, np.ndarray]  # words and `(H, W)` float32 in [0, 1]
WEEKS = (24, 28, 32, 36, 40)
SEVERITIES = (0.0, 0.3, 0.5, 0.7, 0.95)  # one inside each grade, none to white-out
SEED = 78_000_000  # none of a training, a cohort or a test
COLUMNS = 8
NEWBORN, CHILD = (320, 288), (360, 480)
GAP, LETTERS = 4, 16  # px


def main():
    """Write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--size", type=int, default=220, help="height of a tile, px")
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    rows = [*draw_grades(), draw_devices(), draw_babygrams()]
    rows += [*draw_findings(), draw_children([CHILD] * 6)]
    write_sheet(options.sheet, rows, options.size)
    if options.beside:
        rows = lay_newborns(options.films)
        if options.prepared:
            rows += lay_children(options.prepared)
        write_sheet(options.beside, rows, options.size)


def draw_grades() -> list[list[Tile]]:
    """Draw one infant of each age at every grade."""
    rows = []
    for number, weeks in enumerate(WEEKS):
        row = []
        for severity in SEVERITIES:
            made = drawn_films.make(
                SEED + number, NEWBORN, weeks=weeks, severity=severity
            )
            row.append((f"{weeks} weeks, {tell_grade(made)}", made.image))
        rows.append(row)
    return rows


def tell_grade(made) -> str:
    """Name the grade, or the severity where the generator knows no grades."""
    if hasattr(made, "grade"):
        return f"grade {made.grade}"
    return f"severity {made.severity:.2f}"


def draw_devices() -> list[Tile]:
    """Draw every device alone."""
    row = []
    for number, name in enumerate(devices.DEVICES):
        how = {"weeks": 30, "severity": 0.5, "device_names": (name,)}
        row.append((name, drawn_films.make(SEED + 20 + number, NEWBORN, **how).image))
    return row


def draw_babygrams(count: int = 5, tries: int = 60) -> list[Tile]:
    """Of many tall films choose those on which the lungs fill the least."""
    made = [
        drawn_films.make(SEED + 100 + number, (384, 256), weeks=27 + number % 12)
        for number in range(tries)
    ]
    least = sorted(made, key=lambda one: one.mask.mean())[:count]
    return [(f"lungs fill {one.mask.mean():.0%}", one.image) for one in least]


def draw_findings() -> list[list[Tile]]:
    """Draw what must not pass for RDS, one of each, in rows of one sheet."""
    row = [
        (name, drawn_films.make(SEED + 200 + n, NEWBORN, weeks=37, findings=(name,)))
        for n, name in enumerate(disease.FINDINGS)
    ]
    row = [(name, made.image) for name, made in row]
    return [row[at : at + COLUMNS] for at in range(0, len(row), COLUMNS)]


def draw_children(shapes, *, is_opaque: bool | None = None) -> list[Tile]:
    """Draw children of 1 to 5 years at the shapes of films."""
    first = 1000 + 100 * bool(is_opaque)
    orders = [
        drawn_films.Order(first + n, shape, is_opaque) for n, shape in enumerate(shapes)
    ]
    words = {None: "drawn child", False: "drawn, normal", True: "drawn, opaque"}
    return [(words[is_opaque], drawn_films.draw_child(o).image) for o in orders]


# ------------------------------------------------------------ with real films


def lay_newborns(films: list[Path]) -> list[list[Tile]]:
    """Lay each real film before drawn ones of every grade and of its shape."""
    rows = []
    for number, path in enumerate(films):
        image = radiograph.read_image(path)
        scale = 512 / max(image.shape)
        shape = tuple(round(scale * side) for side in image.shape)
        how = {"weeks": 30, "device_names": ("ngt", "uac", "uvc", "leads")}
        row = [(f"real, {path.stem}", image)]
        for severity in SEVERITIES:
            made = drawn_films.make(
                SEED + 300 + number, shape, severity=severity, **how
            )
            row.append((f"drawn, {tell_grade(made)}", made.image))
        rows.append(row)
    return rows


def lay_children(prepared: Path, count: int = 6) -> list[list[Tile]]:
    """Lay real children over drawn ones of the same shapes, twice."""
    table = prepare.load_manifest(prepared)
    rng, rows = np.random.default_rng(SEED), []
    for label, word in ((0, "normal"), (1, "label 1")):
        names = rng.permutation(table.loc[table["rds"] == label, "image"])[:count]
        images = [radiograph.read_image(prepared / name) for name in names]
        rows.append([(f"real, {word}", image) for image in images])
        shapes = [image.shape for image in images]
        rows.append(draw_children(shapes, is_opaque=bool(label)))
    return rows


# ------------------------------------------------------------ the sheet


def write_sheet(path: Path, rows: list[list[Tile]], size: int) -> None:
    """Write rows of tiles of one height, stretched as a viewer opens them."""
    drawn = [np.hstack([draw_tile(*tile, size) for tile in row]) for row in rows if row]
    widest = max(row.shape[1] for row in drawn)
    padded = [np.pad(row, ((0, 0), (0, widest - row.shape[1]))) for row in drawn]
    if not cv2.imwrite(str(path), np.vstack(padded)):
        raise SystemExit(f"{path} cannot be written.")


def draw_tile(words: str, image: np.ndarray, size: int) -> np.ndarray:
    """Draw one film with its words above, uint8."""
    width = round(size * image.shape[1] / image.shape[0])
    how = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_LINEAR
    small = cv2.resize(image, (width, size), interpolation=how)
    low, high = np.percentile(small, (0.5, 99.5))
    grey = np.clip((small - low) / max(high - low, 1e-6), 0, 1)
    tile = np.zeros((LETTERS + size + GAP, width + GAP), "uint8")
    tile[LETTERS : LETTERS + size, :width] = np.round(255 * grey)
    cv2.putText(tile, words, (2, 12), 0, 0.36, 255, 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
