"""Claims of speed are judged by their must, and the page keeps what people wrote."""

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("bench")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def scripts(bench, tmp_path, monkeypatch):
    """A folder of scripts and a page of our own; a function that adds a script."""
    page = tmp_path / "page.md"
    page.write_text(f"above\n{bench.BEGIN}\nold\n{bench.END}\nbelow\n")
    monkeypatch.setattr(bench, "HERE", tmp_path)
    monkeypatch.setattr(bench, "PAGE", page)
    monkeypatch.setattr(bench, "SCRIPTS", {"one": [], "two": ["{folder}"]})
    monkeypatch.setattr(sys, "argv", ["bench.py"])

    def add(name, source):
        (tmp_path / f"{name}.py").write_text(source)

    add.page = page
    return add


@pytest.mark.parametrize(
    ("ours", "ratio", "must", "reached"),
    [
        (5, 1.0, ">= 1.0", True),
        (5, 0.99, ">= 1.0", False),
        (0.3, None, "<= 0.3", True),
        (0.31, None, "<= 0.3", False),
        (5, 0.5, "<= 0.4", False),
        (5, 0.5, "", None),
    ],
)
def test_a_claim_is_judged_by_its_ratio_or_else_by_ours(
    bench, ours, ratio, must, reached
):
    row = bench.claims.make_row("w", ours=ours, unit="s", ratio=ratio, must=must)
    assert row["reached"] is reached


def test_a_must_of_another_form_is_refused(bench):
    with pytest.raises(ValueError, match="Received: '> 3'"):
        bench.claims.make_row("work", ours=1, unit="s", must="> 3")


def test_rows_are_written_as_they_are_and_drawn_as_a_table(bench, tmp_path, capsys):
    row = bench.claims.make_row(
        "work", ours=1234.5, unit="s", ratio=0.5, must=">= 0.8", limit=0.01234
    )
    bench.claims.publish([row], tmp_path / "rows.json")
    assert json.loads((tmp_path / "rows.json").read_text()) == [row]
    assert capsys.readouterr().out.splitlines() == [
        "| work | ours | peer | limit | unit | ratio | must | reached |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| work | 1,234 |  | 0.0123 | s | 0.5 | >= 0.8 | **no** |",
    ]


def test_a_missing_script_is_named_before_any_runs(bench, scripts):
    scripts("one", "raise SystemExit('this ran')")
    with pytest.raises(SystemExit, match=r"lacks two\.py.*nothing was run"):
        bench.main()


WRITE = """
import json, sys
from pathlib import Path
assert Path(sys.argv[-3]).is_dir() or sys.argv[-3].endswith(".py")
row = dict(work="{}", ours=1, peer=2, limit=None, unit="s", ratio=0.5, must="",
           reached=None)
Path(sys.argv[-1]).write_text(json.dumps([row]))
"""


def test_rows_of_all_scripts_stand_between_the_markers_and_the_rest_stays(
    bench, scripts
):
    scripts("one", WRITE.format("first"))
    scripts("two", WRITE.format("second"))
    bench.main()
    page = scripts.page.read_text()
    assert page.startswith("above\n") and page.endswith(f"{bench.END}\nbelow\n")
    assert page.index("| first |") < page.index("| second |") < page.index(bench.END)
    assert "old" not in page


def test_some_claims_alone_are_printed_and_not_written(
    bench, scripts, monkeypatch, capsys
):
    before = scripts.page.read_text()
    scripts("one", WRITE.format("first"))
    monkeypatch.setattr(sys, "argv", ["bench.py", "--only", "one"])
    bench.main()
    assert "| first |" in capsys.readouterr().out
    assert scripts.page.read_text() == before


@pytest.mark.parametrize(
    ("source", "told"), [("raise SystemExit(3)", "status 3"), ("", "wrote no rows")]
)
def test_a_script_that_fails_leaves_the_page_as_it_was(bench, scripts, source, told):
    before = scripts.page.read_text()
    scripts("one", WRITE.format("first"))
    scripts("two", source)
    with pytest.raises(SystemExit, match=told):
        bench.main()
    assert scripts.page.read_text() == before


def test_the_page_of_the_project_has_a_place_for_the_table(bench):
    assert "| a |" in bench.replace(bench.PAGE.read_text("utf-8"), "| a |")
