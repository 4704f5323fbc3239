"""The case table: the study's columns, checked row by row, and its files on disk.

The study's tables come from Windows machines: absolute paths under `C:\\dataset`, saved
by a Korean Excel. A row that cannot be used is rejected with its reason, the others are
kept.
"""

import csv
import io
import os
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path, PurePath, PureWindowsPath

import pandas as pd

from rds_tf import errors
from rds_tf.storage import disk

STUDY_COLUMNS = ["filepath", "rds", "exist_json", "roi_area", "height", "width"]
REQUIRED_COLUMNS = ["filepath", "rds", "exist_json"]
CASE_COLUMNS = ["case_id", "patient_id", "source", "annotation", *STUDY_COLUMNS, "row"]
PREPARED_FOLDERS = ["images", "masks", "records"]
IMAGE_SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")
MAX_BYTES = 2**26  # of a table
FORMULAS = ("=", "+", "-", "@")  # a spreadsheet takes such a cell for a formula


class CohortError(errors.InputError):
    """A table or row that cannot be used, in one sentence that names the cause."""


def load_cohort(
    path: str | Path, root: str | Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load the case table and find its files.

    Args:
        path: CSV with `filepath, rds, exist_json` and, where known, `roi_area, height,
            width, patient_id`; comma, semicolon or tab; UTF-8, UTF-16 or CP949.
        root: folder that holds the radiographs and annotations, at any depth.

    Returns:
        The cases: `case_id`, `patient_id` ("" where the table has none), `source`
        (Path), `annotation` (Path, None without one), the study's columns, and `row`.
        The rejected: `file`, `row` (line of the table, the header is 1), `reason`.

    Raises:
        CohortError: no such table or folder, or the table lacks a required column.
    """
    rows = dict(read_table(Path(path), REQUIRED_COLUMNS))
    if not Path(root).is_dir():
        raise CohortError(f"The root {root} is not a folder.")
    files = _FileIndex(Path(root))
    sources, reasons = _find_sources(rows, files)
    cases, line_of, lines_of = [], {}, defaultdict(list)
    for line, source in sources.items():
        try:
            case = {**_check_row(rows[line], source, files), "row": line}
            if line_of.setdefault(source, line) != line:
                raise CohortError(f"The file is already in row {line_of[source]}.")
            cases.append(case)
            lines_of[case["annotation"]].append(line)
        except CohortError as error:
            reasons[line] = str(error)
    # An annotation belongs to one image: two rows with the same one are both in doubt.
    for path, lines in lines_of.items():
        if path and len(lines) > 1:
            reasons |= _reject_all(lines, path.name)
    cases = [case for case in cases if case["row"] not in reasons]
    table = pd.DataFrame(cases, columns=CASE_COLUMNS)
    table["case_id"] = _name_cases([c["source"].relative_to(files.root) for c in cases])
    rejected = [(rows[n]["filepath"] or "", n, reasons[n]) for n in sorted(reasons)]
    return table, pd.DataFrame(rejected, columns=["file", "row", "reason"])


class _FileIndex:
    """Every file under a root, found by the end of a path from another machine."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for folder, subfolders, names in os.walk(self.root):
            if set(PREPARED_FOLDERS) <= set(subfolders):  # results, not sources
                subfolders[:] = set(subfolders) - set(PREPARED_FOLDERS)
            for name in names:
                self._by_name[_normalize(name)].append(Path(folder, name))

    def find(self, wanted: PurePath, among: list[Path] | None = None) -> Path:
        """Find the one file that has most parts, from the end, of the wanted path."""
        if ".." in wanted.parts:
            raise CohortError(f'The path {wanted} holds "..".')
        found = among or self._by_name.get(_normalize(wanted.name), [])
        if not found:
            raise CohortError(f"No file {wanted.name} under the root.")
        ranks = {path: self.rank(path, wanted) for path in sorted(found)}
        highest = max(ranks.values())
        best = [path for path, rank in ranks.items() if rank == highest]
        if len(best) > 1:
            names = " or ".join(str(path.relative_to(self.root)) for path in best)
            raise CohortError(f"The path {wanted} is ambiguous: {names}.")
        return self._check_inside(best[0])

    def _check_inside(self, path: Path) -> Path:
        if not path.resolve().is_relative_to(self.root):
            raise CohortError(f"The file {path.name} is a link out of the root.")
        return path

    def find_annotation(self, source: Path) -> Path:
        """Find the JSON file of an image: beside it, in a json folder, anywhere.

        A file that lies nearer to another image of the same name is that image's.
        """
        beside, *others = _list_annotation_places(source)
        found = self._by_name.get(_normalize(beside.name), [])
        for path in (beside, *others):
            if path in found:
                return self._check_inside(path)
        # It lies elsewhere. Places at another image of that name are not this one's.
        images = self._by_name[_normalize(source.name)]
        places = [_list_annotation_places(image) for image in images]
        taken = {path for of_image in places for path in of_image}
        own = beside.relative_to(self.root)
        path = self.find(own, [path for path in found if path not in taken] or found)
        nearest = max(self.rank(path, p[0].relative_to(self.root)) for p in places)
        if path in taken or self.rank(path, own) < nearest:
            raise CohortError(f"The only {path.name} belongs to another image.")
        return path

    def rank(self, path: Path, wanted: PurePath) -> tuple[int, int, int]:
        """Rank by: parts in common from the end, whole path used, same case."""
        ours, theirs = path.relative_to(self.root).parts[::-1], wanted.parts[::-1]
        pairs = zip(map(_normalize, ours), map(_normalize, theirs), strict=False)
        same = [a == b for a, b in pairs]
        num_same = (same + [False]).index(False)
        same_case = _compose(ours[0]) == _compose(theirs[0])
        return num_same, num_same == len(ours), same_case


def _list_annotation_places(image: Path) -> list[Path]:
    """Name the places of an image's JSON file, the likeliest first."""
    name = _strip_suffix(image) + ".json"
    folder = image.parent
    return [folder / name, folder / "json" / name, folder.parent / "json" / name]


def _strip_suffix(path: Path) -> str:
    """Drop the suffix, but not the last number of a name that is a UID."""
    return path.stem if path.suffix.casefold() in IMAGE_SUFFIXES else path.name


def _compose(name: str) -> str:
    """Compose letters that macOS stores in parts."""
    return unicodedata.normalize("NFC", name)


def _normalize(name: str) -> str:
    """Make names equal that differ in letter case or composition alone."""
    return _compose(name).casefold()


def read_table(path: Path, required: list[str]) -> list[tuple[int, dict]]:
    """Read the rows of a CSV that hold anything, each with its line number."""
    try:
        text = _decode(disk.read_whole(path, MAX_BYTES))
        header = text.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        reader.fieldnames = [n.strip().casefold() for n in reader.fieldnames or []]
        rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except OSError as error:
        raise CohortError(f"Cannot read {path}: {error.strerror}.") from error
    except (csv.Error, UnicodeError) as error:
        raise CohortError(f"{path.name} is not a table: {error}.") from error
    known = dict.fromkeys([*required, *STUDY_COLUMNS, "patient_id"])
    twice = [n for n in known if reader.fieldnames.count(n) > 1]
    if twice:
        raise CohortError(f"{path.name} has two columns {', '.join(twice)}.")
    missing = [name for name in required if name not in reader.fieldnames]
    if missing:
        raise CohortError(f"{path.name} has no column {', '.join(missing)}.")
    return rows


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp949")


def _find_sources(rows: dict[int, dict], files: _FileIndex) -> tuple[dict, dict]:
    """Find the file of each row, or the reason why it has none, by line.

    A file found for several rows belongs to the row that names most of its path.
    """
    sources, reasons, wanted, rows_of = {}, {}, {}, defaultdict(list)
    for line, row in rows.items():
        wanted[line] = PureWindowsPath((row["filepath"] or "").strip())
        try:
            if not wanted[line].name:
                raise CohortError("The filepath is empty.")
            sources[line] = files.find(wanted[line])
            rows_of[sources[line]].append(line)
        except CohortError as error:
            reasons[line] = str(error)
    for source, lines in rows_of.items():
        name = source.relative_to(files.root)
        ranks = {line: files.rank(source, wanted[line]) for line in lines}
        best = [line for line in lines if ranks[line] == max(ranks.values())]
        if len({_normalize(str(wanted[line])) for line in best}) > 1:
            reasons |= _reject_all(lines, name)
        else:
            reason = f"Its own file is missing; {name} belongs to row {best[0]}."
            reasons |= {line: reason for line in lines if line not in best}
    return {n: path for n, path in sources.items() if n not in reasons}, reasons


def _reject_all(lines: list[int], name: str | Path) -> dict[int, str]:
    rows = " and ".join(map(str, lines))
    return dict.fromkeys(lines, f"Rows {rows} lead to the same file {name}.")


def _check_row(row: dict, source: Path, files: _FileIndex) -> dict:
    """Turn the cells of one row into a case, or raise `CohortError`."""
    if None in row:
        raise CohortError("The row has more cells than the header.")
    row = {name: (cell or "").strip() for name, cell in row.items()}
    case = {"filepath": row["filepath"], "patient_id": row.get("patient_id", "")}
    for name, cell in case.items():
        if len(cell) > 1 and cell.startswith(FORMULAS):
            raise CohortError(f"The {name} starts like a formula.")
    case |= {name: _read_flag(row, name) for name in ("rds", "exist_json")}
    case |= {name: _read_size(row, name) for name in ("roi_area", "height", "width")}
    annotation = files.find_annotation(source) if case["exist_json"] else None
    return {**case, "source": source, "annotation": annotation}


def _read_flag(row: dict, name: str) -> int:
    if row[name] not in ("0", "1", "0.0", "1.0"):
        raise CohortError(f'The {name} is "{row[name]}", expected 0 or 1.')
    return int(float(row[name]))


def _read_size(row: dict, name: str) -> float:
    """Read a length or area in px, nan where the cell is empty or 0."""
    cell = row.get(name, "")
    try:
        size = float(cell or "nan")
    except ValueError:
        size = -1.0
    if size < 0 or size == float("inf"):
        raise CohortError(f'The {name} is "{cell}", expected a positive number.')
    return size or float("nan")


def _name_cases(paths: list[Path]) -> list[str]:
    """Name each case by its file without suffix; by its path if two share that."""
    names = [_strip_suffix(path) for path in paths]
    for longer in (
        lambda path: "__".join([*path.parent.parts, _strip_suffix(path)]),
        lambda path: "__".join(path.parts),
    ):
        count = Counter(name.casefold() for name in names)
        names = [
            name if count[name.casefold()] == 1 else longer(path)
            for name, path in zip(names, paths, strict=True)
        ]
    unique: dict[str, str] = {}
    for name in names:  # a joined path can equal the name of another file
        while name.casefold() in unique:
            name += "_"
        unique[name.casefold()] = name
    return list(unique.values())
