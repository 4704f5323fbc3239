"""The order of the rooms in `rds_tf` is a fact, not a diagram."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rds_tf"
ROOMS = {  # a file imports from the rooms above its own, and from files before it
    "": "config metrics comparison thresholds calibration overlay plots score_plots "
    "memory engine errand cluster inspection store backup training",
    "data": "sources telling grey codestream header preprocessing lettering decoder "
    "trial radiograph naming annotation cohort likeness folds manifest prepare "
    "augment pipeline",
    "phantoms": "curves canvas skeleton anatomy devices tissue film phantom stack "
    "dataset",
    "lungs": "unet postprocess frame passes gate segmenter ladder recipe",
    "diagnosis": "efficientnet activation members other_cams explain imputation "
    "map_controls faithfulness classifier recipe kept_lungs crossval ensemble tubes "
    "arms audit auditor films wrong_picture picture diagnose "
    "worklist",
    "readers": "readings mrmc decisions roe_metz power sizes codes design pack answers",
    "study": "report comparison_page audit_page reader_plots reader_tables "
    "readers_page dicom_source dicom_out demo",
    "paper": "layout wording artifacts statements findings drawings kit",
    "pages": "site reading_words reading_room uploads exhibit exhibit_words "
    "exhibit_view exhibit_page exhibition",
}
ORDER = [f"{room}.{name}".strip(".") for room in ROOMS for name in ROOMS[room].split()]
ORDER += ["verbs", "__main__"]
FILES = sorted(PACKAGE.rglob("*.py"))
NOUNS = [path for path in FILES if path.name != "__init__.py"]


def name_of(path):
    """`rds_tf/data/cohort.py` -> `data.cohort`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(source):
    """Yield what the source imports from `rds_tf`, wherever: `data.cohort`, ..."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (n.removeprefix("rds_tf.") for n in names if is_ours(n))


def is_ours(name):
    return name.startswith(("rds_tf.", "."))


def faults(name, source):
    """List the imports of a file which its place in the order forbids."""
    allowed = ORDER[: ORDER.index(name)]
    return [target for target in imported(source) if target not in allowed]


@pytest.mark.parametrize("path", NOUNS, ids=name_of)
def test_file_has_a_place_and_imports_only_modules_before_it(path):
    assert name_of(path) in ORDER, f"give {name_of(path)} a place in ROOMS"
    assert faults(name_of(path), path.read_text(encoding="utf-8")) == []


def test_every_place_is_taken():
    assert set(ORDER) <= {name_of(path) for path in NOUNS}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from rds_tf import config", []),
        ("import rds_tf", []),
        ("from rds_tf.data import radiograph, folds", ["data.folds"]),
        ("import rds_tf.lungs.unet", ["lungs.unet"]),
        ("def f():\n    from rds_tf.study import app", ["study.app"]),
        ("from rds_tf.data.radiograph import read_png", ["data.radiograph.read_png"]),
        ("from rds_tf import data", ["data"]),
        ("from . import radiograph", ["..radiograph"]),
        ("from rds_tf.data import cohort", ["data.cohort"]),
    ],
)
def test_layer_test_sees_every_forbidden_way_to_import(source, expected):
    assert faults("data.cohort", source) == expected


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_stays_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("room", [room for room in ROOMS if room])
def test_room_holds_one_docstring_and_nothing_else(room):
    body = ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8")).body
    assert len(body) == 1 and isinstance(body[0].value.value, str)


@pytest.mark.parametrize("arguments", [["-c", "import rds_tf"], ["-m", "rds_tf", "-h"]])
def test_start_is_quick_because_no_large_package_is_imported(arguments):
    command = [sys.executable, "-X", "importtime", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr.splitlines()[-1]
    modules = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert "rds_tf" in modules
    large = {"tensorflow", "keras", "numpy", "pandas", "cv2", "scipy", "pydicom"}
    assert not modules & large
