"""Rules that every committed notebook obeys (static: no kernel is started)."""

import ast
import importlib
import re
import statistics
import tomllib
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
PARAMETERS = ['PROFILE = "quick"  # @param ["quick", "full"]', 'COHORT = "phantom"']
LAST_HEADINGS = ["Exercise", "Question", "Pitfalls", "References"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


def tags(cell):
    return cell.metadata.get("tags", [])


def tagged(cells, tag):
    return [cell for cell in cells if tag in tags(cell)]


def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def prose(cells):
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def outputs(cells):
    return [output for cell in code(cells) for output in cell.outputs]


def has_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def count_words(markdown):
    """Count words as a reader meets them: no addresses, no HTML tags."""
    return len(re.findall(r"\w+", re.sub(r"\(https?:[^)]*\)|<[^>]+>", " ", markdown)))


def view(cell):
    return cell.cell_type, cell.source, tags(cell)


def test_every_source_has_its_notebook_and_there_is_one():
    sources = {path.stem for path in (FOLDER / "src").glob("[0-9][0-9]_*.py")}
    assert sources == {path.stem for path in NOTEBOOKS} != set()


def test_notebook_matches_its_source(path, cells):
    source = jupytext.read(FOLDER / "src" / f"{path.stem}.py").cells
    assert [view(c) for c in cells] == [view(c) for c in source], "run: make notebooks"


def list_imports(tree):
    """Return `{name in the notebook: module of ours}`."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            pairs = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pairs = [(a.name, f"{node.module}.{a.name}") for a in node.names]
        else:
            continue
        modules |= {name: full for name, full in pairs if full.startswith("rds_")}
    return modules


def read_tree(path):
    return ast.parse((FOLDER / "src" / f"{path.stem}.py").read_text("utf-8"))


def test_notebook_imports_at_most_six_of_our_modules(path):
    modules = list_imports(read_tree(path))
    assert 1 <= len(modules) <= 6, modules


def test_names_of_ours_in_a_notebook_exist(path):
    tree = read_tree(path)
    modules = list_imports(tree)
    for node in ast.walk(tree):
        chain = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        first, *rest = chain.split(".")
        if first in modules and all(part.isidentifier() for part in rest):
            found = importlib.import_module(modules[first])
            for part in rest:
                assert hasattr(found, part), f"line {node.lineno}: {chain}"
                found = getattr(found, part)


def test_notebook_was_executed_in_order_without_error_or_noise(cells):
    counts = [cell.execution_count for cell in code(cells)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [o for o in outputs(cells) if o.output_type == "error"]
    assert not [o for o in outputs(cells) if o.get("name") == "stderr"]


def test_first_cell_introduces_the_notebook(path, cells):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    repository = project["urls"]["Repository"].removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks"
    first = cells[0].source
    assert first.startswith("# ")
    assert f"({badge}/{path.name})" in first
    assert re.search("[가-힣]", first), "a Korean summary is missing"
    for word in ("reads", "writes", "quick", "full"):
        assert word in first.lower()


def test_notebook_says_not_for_clinical_use(cells):
    assert "not for clinical use" in prose(cells).lower()


def test_one_parameters_cell_is_the_only_switch(cells):
    (parameters,) = tagged(cells, "parameters")
    assert parameters.source.splitlines() == PARAMETERS
    assert not [c for c in code(cells) if re.search(r"\bif\b.*\bPROFILE\b", c.source)]


def test_notebook_is_neither_short_nor_long(path, cells):
    assert 20 <= len(cells) <= 45
    assert path.stat().st_size <= 300_000


def test_code_comes_in_small_cells_with_few_functions(cells):
    lengths = [len(lines(cell)) for cell in code(cells)]
    assert min(lengths) > 0
    assert statistics.median(lengths) <= 8
    assert max(lengths) <= 25
    functions = [cell.source for cell in code(cells)]
    assert len(re.findall(r"^\s*def ", "\n".join(functions), re.M)) <= 3


def test_prose_and_code_are_in_balance(cells):
    num_lines = sum(len(lines(cell)) for cell in code(cells))
    assert 8 <= count_words(prose(cells)) / num_lines <= 20


def test_figures_are_few_and_described_in_words(cells):
    figures = [cell for cell in code(cells) if has_figure(cell)]
    assert sum("image/png" in o.get("data", {}) for o in outputs(cells)) <= 5
    assert not [cell.source for cell in figures if "alt=" not in cell.source]


def test_checked_cells_store_facts_and_no_bare_trained_floats(cells):
    checked = tagged(cells, "nbval-check-output")
    assert checked and all(cell.outputs for cell in checked)
    for output in outputs(checked):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        assert not re.search(r"\d\.\d{4,}", text)


def test_notebook_ends_with_exercise_questions_pitfalls_references(cells):
    assert tagged(cells, "solution")
    assert prose(cells).count("<details>") >= 3
    headings = re.findall(r"^#+ .*", prose(cells), re.M)
    found = [w for h in headings for w in LAST_HEADINGS if w.lower() in h.lower()]
    assert list(dict.fromkeys(found)) == LAST_HEADINGS
