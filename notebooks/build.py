"""Build executed notebooks and the learner's copies from `notebooks/src/*.py`.

`python notebooks/build.py` builds all, `python notebooks/build.py 02 03` those two.
"""

import sys
from pathlib import Path

from rds_pages import demo

NOTEBOOKS = Path(__file__).resolve().parent


def strip_solutions(notebook):
    """Return the learner's copy: cells tagged `solution` become empty stubs."""
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.source, cell.metadata = "# Write your code here.", {}
    return notebook


def main(numbers: list[str]) -> None:
    """Build the notebooks whose numbers are given, or all."""
    for number in numbers or [""]:
        for source in demo.find_sources(number):
            print(source.stem, flush=True)
            notebook = demo.read_source(source)
            demo.execute(notebook, NOTEBOOKS)  # as their tests do
            demo.write_notebook(notebook, NOTEBOOKS / f"{source.stem}.ipynb")
            exercise = strip_solutions(demo.read_source(source))
            target = NOTEBOOKS / "exercises" / f"{source.stem}_exercise.ipynb"
            demo.write_notebook(exercise, target)


if __name__ == "__main__":
    main(sys.argv[1:])
