"""The documentation names files, pages and functions that exist."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]
PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]  # tells of the past
FOLDERS = "benchmarks|tests|docs|notebooks|saved_models|rds_[a-z]+"


def find_files(text: str) -> set[str]:
    """Return what looks like a file of ours, such as `tests/test_docs_names.py`."""
    return set(re.findall(rf"(?<![\w/])(?:{FOLDERS})/[\w./-]*\w\.(?:py|toml|md)", text))


def find_names(text: str) -> set[str]:
    """Return what looks like a module or function of ours, such as `rds_tf.config`."""
    return set(re.findall(r"(?<![\w/.-])rds_[a-z]+(?:\.[a-z_]+)+\b", text))


def find_links(text: str) -> set[str]:
    """Return the targets of Markdown links that are no web addresses."""
    return {
        target.partition("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"[a-z]+:|#", target)
    }


def exists(name: str) -> bool:
    """Say whether a dotted name is a module, or an attribute of one."""
    owner, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(owner)
        return hasattr(module, attribute) or bool(importlib.import_module(name))
    except ImportError:
        return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_names_only_what_exists(page):
    text = page.read_text(encoding="utf-8")
    assert [name for name in find_files(text) if not (ROOT / name).exists()] == []
    assert [
        name for name in find_links(text) if not (page.parent / name).exists()
    ] == []
    assert [name for name in find_names(text) if not exists(name)] == []


def test_what_a_page_names_is_found_in_it():
    text = "See [a](docs/a.md#b), [c](https://d.e), `tests/f.py`; rds_tf.lungs.unet."
    assert find_links(text) == {"docs/a.md"}
    assert find_files(text) == {"docs/a.md", "tests/f.py"}
    assert find_names(text) == {"rds_tf.lungs.unet"}
    assert exists("rds_tf.lungs.unet") and exists("rds_tf.stats.metrics.dice")
    assert not exists("rds_tf.lungs.frame") and not exists("rds_tf.stats.metrics.dise")
