"""Every script of `benchmarks/` still finds what it uses of our packages."""

import ast
import importlib
import types
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
OURS = {"rds_tf", "rds_phantoms", "rds_readers", "rds_pages"}
OURS |= {path.stem for path in SCRIPTS}


def find_missing(source: str) -> list[str]:
    """List what a script imports of ours, or reads from it, that does not exist."""
    tree, modules, missing = ast.parse(source), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [(one.name, one.asname or one.name) for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [
                (f"{node.module}.{one.name}", one.asname or one.name)
                for one in node.names
            ]
        else:
            continue
        for name, alias in found:
            if name.partition(".")[0] in OURS:
                try:
                    modules[alias] = load(name)
                except (ImportError, AttributeError):
                    missing.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            if isinstance(owner, types.ModuleType) and not hasattr(owner, node.attr):
                missing.append(f"{node.value.id}.{node.attr}")
    return missing


def load(name: str):
    """Import a module, or what a module holds: `folder.module.function`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        owner, _, attribute = name.rpartition(".")
        if not owner:
            raise
        return getattr(importlib.import_module(owner), attribute)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_finds_all_that_it_uses_of_ours(path):
    assert find_missing(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_says_in_its_first_lines_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(ast.get_docstring(tree).splitlines()[0].split()) >= 5


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from rds_tf.stats import metrics\nmetrics.dice", []),
        ("from rds_tf.stats import metrics\nmetrics.dise", ["metrics.dise"]),
        ("from rds_tf.stats import metric", ["rds_tf.stats.metric"]),
        ("def f():\n    import rds_tf.stat", ["rds_tf.stat"]),
        ("import claims\nclaims.publsih()", ["claims.publsih"]),
        ("from claims import publish, missing", ["claims.missing"]),
        ("import numpy as np\nnp.arrray", []),  # not ours
    ],
)
def test_a_name_that_was_moved_or_misspelt_is_found(source, expected):
    assert find_missing(source) == expected
