"""Two runs on one folder: the second is refused, and a dead one is not waited for."""

import pytest

from rds_tf import command_line as command
from rds_tf.storage import disk

PHANTOM = "--cases", "12", "--longest-px", "64", "--workers", "1"
SHORT = "--start", "scratch", "--training-steps", "10"


@pytest.fixture(scope="module")
def readings(tmp_path_factory):
    """Four readers, two treatments, eight cases."""
    path = tmp_path_factory.mktemp("readings") / "readings.csv"
    rows = ["reader,treatment,case,truth,rating"]
    for reader in range(4):
        for treatment in range(2):
            for case in range(8):
                rating = 10 * ((7 * case + 3 * reader + 5 * treatment) % 9)
                rows.append(f"R{reader},T{treatment},C{case},{case % 2},{rating}")
    path.write_text("\n".join([*rows, ""]))
    return path


@pytest.fixture
def verb(prepared, models, readings, tmp_path):
    """Return a function that gives the words of a verb that writes into a folder."""
    cohort = prepared.parent / "cohort"
    verbs = {
        "phantom": ["phantom", "OUT", *PHANTOM],
        "prepare": ["prepare", cohort / "cohort.csv", "OUT", "--workers", "1"],
        "train": ["train", "segmenter", prepared, "OUT", *SHORT, "--image-px", "32"],
        "compare": ["compare", prepared, "OUT", "--inputs", "whole", *SHORT],
        "segment": [
            "segment",
            prepared,
            "OUT",
            "--models",
            models,
            "--post-processing",
            "none",
        ],
        "diagnose": ["diagnose", cohort / "dicom", "--out", "OUT", "--models", models],
        "plan": ["study", "plan", prepared, "OUT", "--models", models, "--cases", "4"],
        "analyse": ["study", "analyse", readings, "--out", "OUT"],
    }

    def fill(name, out):
        return [str(out if word == "OUT" else word) for word in verbs[name]]

    return fill


VERBS = "phantom prepare train compare segment diagnose plan analyse".split()


@pytest.mark.parametrize("name", VERBS)
def test_a_second_run_on_a_folder_is_refused_and_writes_nothing(
    name, verb, tmp_path, capsys
):
    out = tmp_path / "out"
    held = out / "segmenter_fold_0" if name == "train" else out
    with disk.claim(held):
        assert command.main(verb(name, out)) == 1
    told = capsys.readouterr().err.strip()
    assert f"{held}: another run is writing there" in told
    assert [path for path in out.rglob("*") if path.is_file()] == [held / ".lock"]


@pytest.mark.parametrize("name", ["phantom", "prepare", "segment"])
def test_what_a_dead_run_left_is_taken_over(name, verb, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for left in (".lock", ".a.png.12.part"):
        (out / left).touch()
    assert command.main(verb(name, out)) == 0
    assert not list(out.rglob("*.part"))
