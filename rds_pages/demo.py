"""The main job: the notebooks in order, executed, with one table at the end."""

import base64
import os
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

from rds_pages.reports import score_tables
from rds_tf import config, errors
from rds_tf.data import prepare
from rds_tf.storage import disk

# At the top of a clone, and inside this package where it was installed from a wheel.
SOURCES = (
    config.CLONE / "notebooks" / "src"
    if config.CLONE
    else Path(__file__).parent / "notebooks"
)
MAIN_JOB = ("01", "02", "03", "04", "05")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(
    profile: str = "quick",
    cohort: str | Path | None = None,
    root: str | Path | None = None,
) -> Path:
    """Run notebooks 01 to 05 and print the results table.

    Args:
        profile: `"quick"` or `"full"`.
        cohort: a case table; None writes a phantom cohort.
        root: folder of the cohort's files; None takes that of the table.

    Returns:
        The run's folder, with `notebooks/`, `figures/`, `results.csv`,
        `results.html`.

    Raises:
        FileNotFoundError: if the cohort or the notebooks are not there.
        ValueError: if the cohort is too small for the lessons.
        RuntimeError: if a cell fails; what ran so far is kept.
    """
    cohort = str(Path(cohort).resolve()) if cohort else "phantom"
    if root:
        os.environ["RDS_TF_ROOT"] = str(Path(root).resolve())
    folder = config.load_run(profile, cohort).folder
    os.environ["RDS_TF_ARTIFACTS"] = str(folder.parent)  # kernels run elsewhere
    check_cohort(prepare.prepare_run(config.load_run(profile, cohort)))
    sources = [path for number in MAIN_JOB for path in find_sources(number)]
    if len(sources) < len(MAIN_JOB):
        raise FileNotFoundError(f"{SOURCES}: the sources of the notebooks are missing.")
    for source in tqdm(sources, "notebooks", disable=None):
        print(f"{source.stem} ...", flush=True)
        notebook = read_source(source)
        set_parameters(notebook, profile, cohort)
        target = folder / "notebooks" / f"{source.stem}.ipynb"
        try:
            execute(notebook, folder)
        except CellExecutionError as error:
            reason = f"{error.ename}: {error.evalue}"
            raise errors.RunError(f"{target}: a cell failed: {reason}") from error
        finally:
            write_notebook(notebook, target)
        write_figures(notebook, folder / "figures", source.stem)
    print(score_tables.format_table(score_tables.write_results_table(folder)))
    print(f"\nExecuted notebooks: {folder / 'notebooks'}")
    print(f"Figures:            {folder / 'figures'}")
    print(f"Results table:      {folder / 'results.html'} and results.csv")
    print(config.NOT_FOR_CLINICAL_USE)
    return folder


def check_cohort(table) -> None:
    """Refuse a cohort that is too small for the lessons, before any of them runs.

    Args:
        table: the manifest of a prepared cohort.

    Raises:
        ValueError: if a fold has less than 4 outlined films, or one class only.
    """
    for fold in range(config.NUM_FOLDS):
        part = table[table["fold"] == fold]
        num_outlined = int((part["mask"] != "").sum())
        if num_outlined < 4 or part["rds"].nunique() < 2:
            raise errors.InputError(
                f"The notebooks need 4 outlined films and both classes in every fold; "
                f"fold {fold} has {num_outlined} outlined films and "
                f"{part['rds'].nunique()} classes."
            )


def find_sources(number: str = "") -> list[Path]:
    """Return the text sources of the notebooks whose name begins with `number`."""
    return sorted(SOURCES.glob(f"{number or '[0-9][0-9]'}_*.py"))


def read_source(path: Path):
    """Read a py:percent source; give it stable cell ids and minimal metadata."""
    notebook = jupytext.read(path)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem[:2]}-{index:02d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags} if tags else {}
    notebook.metadata = METADATA
    return notebook


def set_parameters(notebook, profile: str, cohort: str) -> None:
    """Put profile and cohort into the cell tagged `parameters`."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = f"PROFILE = {profile!r}\nCOHORT = {cohort!r}"


def execute(notebook, folder: Path) -> None:
    """Run all cells on a fresh kernel whose working folder is `folder`."""
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # not a word on its transport
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata = METADATA


def write_notebook(notebook, path: Path) -> None:
    """Write a notebook file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write_whole(path, f"{nbformat.writes(notebook)}\n".encode())


def write_figures(notebook, folder: Path, stem: str) -> list[Path]:
    """Write every picture of an executed notebook as a PNG file."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            content = output.get("data", {}).get("image/png")
            if content:
                figures.append(folder / f"{stem}_{len(figures) + 1}.png")
                disk.write_whole(figures[-1], base64.b64decode(content))
    return figures
