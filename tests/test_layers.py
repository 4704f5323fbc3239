"""The order of the rooms is a fact, not a diagram."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {  # a file imports from the rooms above its own, and from files before it
    "rds_phantoms": "materials workers growth view noise solids curves tubes profiles "
    "mediastinum body outline skeleton airways abdomen disease infant spaces findings "
    "pleura lungs devices film detector surroundings projection phantom training "
    "dataset",
    "rds_tf": "lazy errors config",
    "rds_tf.storage": "disk weights weights_hdf5 model_store",
    "rds_tf.stats": "metrics paired_tests thresholds calibration",
    "rds_tf.plotting": "overlay plots",
    "rds_tf.parallel": "memory isolated local remote_task ray_cluster",
    "rds_tf.dicom": "privacy lut codestream header burned_in_text radiograph",
    "rds_tf.data": "preprocessing annotation cohort duplicates folds manifest prepare "
    "augment pipeline",
    "rds_tf (training)": "training",
    "rds_tf.lungs": "unet postprocess rotation cropping prediction quality_control "
    "segmenter evaluation segmenter_training",
    "rds_tf.explanation": "forward_pass heatmap stateless tf_keras_vis_cams grad_cam",
    "rds_tf.classification": "lite0 efficientnet grades classifier classifier_training "
    "cross_validation ensemble compare",
    "rds_tf.audit": "tubes nuisances audit",
    "rds_tf.diagnosis": "input_checks diagnose batch dicom_export",
    "rds_tf (door)": "api commands command_line __main__",
    "rds_readers": "readings mrmc decisions roe_metz power sample_size sign_in design "
    "pack answers commands",
    "rds_pages": "language templates site",
    "rds_pages.reports": "document score_tables comparison audit_report "
    "reader_plots reader_tables reader_study",
    "rds_pages.paper_kit": "artifacts findings kit",
    "rds_pages.reading_room": "room server",
    "rds_pages.exhibition": "uploads exhibit stage layout server",
    "rds_pages (commands)": "demo commands",
}
PACKAGES = ("rds_phantoms", "rds_tf", "rds_readers", "rds_pages")
ORDER = [
    f"{room.partition(' ')[0]}.{name}" for room in ROOMS for name in ROOMS[room].split()
]


def name_of(path):
    """`rds_tf/data/cohort.py` -> `rds_tf.data.cohort`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


FILES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
NOUNS = [path for path in FILES if path.name != "__init__.py"]
FACES = [path.parent for path in FILES if path.name == "__init__.py"]
PLAIN = [
    folder for folder in FACES if name_of(folder) not in ("rds_tf", "rds_phantoms")
]
LARGE = {"tensorflow", "keras", "numpy", "pandas", "cv2", "scipy", "pydicom"}


def imported(source):
    """Yield what the source imports of ours, wherever: `rds_tf.data.cohort`, ..."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if is_ours(name))


def is_ours(name):
    return name.startswith(".") or name.partition(".")[0] in PACKAGES


def faults(name, source):
    """List the imports of a file which its place in the order forbids."""
    allowed = [*ORDER[: ORDER.index(name)], "rds_tf"]  # which loads nothing
    if name.startswith("rds_phantoms"):
        allowed = [one for one in allowed if one.startswith("rds_phantoms")]
    return [target for target in imported(source) if not is_allowed(target, allowed)]


def is_allowed(target, allowed):
    """Is it a module that may be imported, or a class of one?"""
    module, _, name = target.rpartition(".")
    is_class = name[:1].isupper() and not name.isupper()
    return target in allowed or (is_class and module in allowed)


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
        ("from rds_phantoms import dataset", []),
        ("from rds_tf.data import cohort, folds", ["rds_tf.data.folds"]),
        ("import rds_tf.lungs.unet", ["rds_tf.lungs.unet"]),
        ("def f():\n    from rds_pages import site", ["rds_pages.site"]),
        ("from rds_tf.data.cohort import stem", ["rds_tf.data.cohort.stem"]),
        ("from rds_tf.data.cohort import LIMIT", ["rds_tf.data.cohort.LIMIT"]),
        ("from rds_tf.data.cohort import CohortError", []),
        ("from rds_tf.data.folds import Fold", ["rds_tf.data.folds.Fold"]),
        ("from rds_tf import data", ["rds_tf.data"]),
        ("from . import cohort", ["..cohort"]),
    ],
)
def test_layer_test_sees_every_forbidden_way_to_import(source, expected):
    assert faults("rds_tf.data.duplicates", source) == expected


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_method_knows_nothing_of_its_readers_and_pages(path):
    if name_of(path).startswith("rds_tf"):
        names = imported(path.read_text(encoding="utf-8"))
        assert not [n for n in names if n.startswith(("rds_readers", "rds_pages"))]


def test_phantoms_know_nothing_of_the_method():
    source = "import rds_tf\nfrom rds_tf import config"
    assert faults("rds_phantoms.dataset", source) == ["rds_tf", "rds_tf.config"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_holds_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("arguments", [["-c", "import rds_tf"], ["-m", "rds_tf", "-h"]])
def test_start_is_quick_because_no_large_package_is_imported(arguments):
    command = [sys.executable, "-X", "importtime", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr.splitlines()[-1]
    modules = {line.rpartition("|")[2].strip() for line in finished.stderr.splitlines()}
    assert "rds_tf" in modules
    assert not modules & LARGE


@pytest.mark.parametrize("folder", PLAIN, ids=name_of)
def test_face_of_a_package_says_what_it_is_and_defines_nothing(folder):
    source = (folder / "__init__.py").read_text(encoding="utf-8")
    docstring, *rest = ast.parse(source).body
    assert len(ast.get_docstring(ast.parse(source))) > 20
    face = "from rds_tf import lazy\n"
    face += "__getattr__, __dir__, __all__ = lazy.open_package(__name__)"
    assert list(map(ast.dump, rest)) == list(map(ast.dump, ast.parse(face).body))


@pytest.mark.parametrize("name", ["rds_tf", "rds_phantoms"])
def test_door_defines_no_classes_and_no_functions_but_the_two_of_pep_562(name):
    tree = ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8"))
    defined = [
        n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)
    ]
    assert {*defined} <= {"__getattr__", "__dir__"}


def test_every_module_is_an_attribute_of_its_package_once_it_is_named():
    code = """
import sys
import rds_tf, rds_readers, rds_pages
for package in sys.argv[1:]:
    top, *rooms = package.split(".")
    face = globals()[top]
    for room in rooms:
        face = getattr(face, room)
    print(package, *face.__all__)
    assert {*face.__all__} <= {*dir(face)}
print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}))
from rds_tf import lungs
print(lungs.cropping.__name__)
"""
    names = [name_of(folder) for folder in FACES if folder.name != "rds_phantoms"]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    *lines, loaded, module = [line.split() for line in done.stdout.splitlines()]
    offered = {f"{package}.{name}" for package, *found in lines for name in found}
    expected = {one for one in ORDER if not one.startswith("rds_phantoms")}
    assert expected - {"rds_tf.__main__"} <= offered
    assert not LARGE & {*loaded}
    assert module == ["rds_tf.lungs.cropping"]


def test_face_refuses_a_name_that_it_lacks():
    import rds_phantoms
    import rds_tf

    for face in (rds_tf, rds_tf.lungs, rds_phantoms):
        with pytest.raises(AttributeError, match="has no attribute 'nowhere'"):
            _ = face.nowhere
