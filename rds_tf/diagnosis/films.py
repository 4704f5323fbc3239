"""The films of a folder, and what their results are called."""

from collections import Counter
from pathlib import Path

SKIPPED = {".json", ".csv", ".txt", ".md", ".xlsx", ".xml", ".html", ".ini", ".db"}


def find_films(path: str | Path, out: str | Path) -> list[Path]:
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
    films = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix.lower() not in SKIPPED
        and not file.name.startswith((".", "DICOMDIR"))
        and not (below and file.resolve().is_relative_to(results))
    ]
    if not films:
        raise FileNotFoundError(f"{path}: there is no film to diagnose.")
    return films


def name_outputs(films: list[Path], root: Path) -> list[str]:
    """Name outputs by the film's stem, by its path below `root` where two share it."""
    counts = Counter(film.stem.casefold() for film in films)
    unique: dict[str, str] = {}
    for film in films:
        name = film.stem
        if counts[name.casefold()] > 1:
            name = "__".join(film.relative_to(root).parts).replace(".", "_")
        while name.casefold() in unique:  # a path can spell another film's stem
            name += "_"
        unique[name.casefold()] = name
    return list(unique.values())


def check_outputs(films: list[Path], names: list[str], out: Path) -> None:
    """Refuse to write results over the films themselves.

    Raises:
        FileExistsError: if one of `<name>.png` in `out` is a film.
    """
    sources = {film.resolve() for film in films}
    for name in names:
        if (target := out / f"{name}.png").resolve() in sources:
            raise FileExistsError(
                f"{target}: is a film, and its results would take its place; name "
                "another folder."
            )
