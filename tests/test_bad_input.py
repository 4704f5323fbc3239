"""A slice of the bench of bad input, and bad files that have a name of their own."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# No command lines: as root, a verb would write wherever a mutant says.
COUNTS = {"dicom": 24, "outline": 14, "picture": 8, "table": 4, "prepared": 10}


@pytest.fixture(scope="module")
def bench():
    """The bench; its children look at their own memory in /proc."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("there is no /proc/self/clear_refs")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("bad_input")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("kind", COUNTS)
def test_mutants_are_read_right_or_refused_in_a_sentence(bench, kind, tmp_path):
    results = bench.run(kind, COUNTS[kind], 5, tmp_path)
    assert [one for one in results if one.get("fault")] == []
    assert "accepted" in {one["verdict"] for one in results}


def test_the_bench_sees_a_wrong_result_and_no_sentence(bench):
    import bad_mutants

    assert "fault" in bad_mutants._judge_sentence("Cannot read a.dcm: why.", "b.dcm")
    assert "fault" in bad_mutants._judge_sentence("KeyError", "")
    assert bad_mutants._judge_sentence("Cannot read a.dcm: why.", "a.dcm") == {}
