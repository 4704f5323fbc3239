"""The hook that lays out the site; `make docs` builds it and fails on a broken link."""

import importlib.util
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("docs", ROOT / ".ci" / "docs.py")
docs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(docs)


def rewrite(markdown, source):
    """Return what the hook makes of a page, on a site of two pages."""
    pages = {"README.md", "docs/real-data.md"}
    return docs.on_page_markdown(
        markdown,
        SimpleNamespace(file=SimpleNamespace(src_uri=source)),
        SimpleNamespace(repo_url="https://example.org/rds"),
        SimpleNamespace(get_file_from_path=lambda path: path in pages or None),
    )


@pytest.mark.parametrize(
    ("source", "markdown", "expected"),
    [
        ("README.md", "[a](docs/real-data.md#b)", "[a](docs/real-data.md#b)"),
        ("docs/x.md", "[a](../README.md)", "[a](../README.md)"),
        ("docs/x.md", "[a](#b) [c](https://d.e/f)", "[a](#b) [c](https://d.e/f)"),
        (
            "docs/x.md",
            "[a](../Makefile)",
            "[a](https://example.org/rds/blob/main/Makefile)",
        ),
    ],
)
def test_links_to_pages_stay_and_links_to_files_lead_to_the_repository(
    source, markdown, expected, caplog
):
    assert rewrite(markdown, source) == expected
    assert not caplog.records


def test_a_link_to_nothing_is_a_warning_which_ends_a_strict_build(caplog):
    with caplog.at_level(logging.WARNING):
        rewrite("[a](nowhere.md)", "docs/x.md")
    (record,) = caplog.records
    assert record.name.startswith("mkdocs.")
    assert (
        record.getMessage() == "docs/x.md links to docs/nowhere.md, which is not there"
    )


def test_every_module_has_its_page_after_that_of_its_package():
    names = docs.list_modules()
    assert len(names) == len({*names})
    files = [path for name in docs.PACKAGES for path in ROOT.glob(f"{name}/**/*.py")]
    assert len(names) == len(files) - 1  # no page of __main__
    assert names[0] == "rds_tf"
    for name in names:
        package = name.rpartition(".")[0]
        assert not package or names.index(package) < names.index(name)
