"""The wheel, what it needs, and what it does where nothing else of ours lies."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging import requirements, utils

from rds_tf import errors

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
PACKAGES = ("rds_phantoms", "rds_readers", "rds_tf", "rds_pages")
BROUGHT = {  # module of another name, or of a package that brings it: the package
    "cv2": "opencv-python-headless",
    "efficientnet": "efficientnet",
    "gdcm": "python-gdcm",
    "h5py": "keras",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "segmentation_models": "segmentation-models",
    "tf_keras_vis": "tf-keras-vis",
    "fastapi": "gradio",
    "starlette": "gradio",
    "uvicorn": "gradio",
    "IPython": "jupyter",
    "nbformat": "nbclient",
}
NEEDS_EXTRA = {  # files that only a verb with `errors.require_extra` opens
    "rds_pages/demo.py": "notebooks",
    "rds_pages/site.py": "pages",
    "rds_pages/reading_room/server.py": "pages",
    "rds_pages/exhibition/server.py": "pages",
}


def parse(lines):
    """`["keras>=3,<4  # networks"]` -> `{"keras": "<4,>=3"}`."""
    lines = [line.partition("#")[0].strip() for line in lines]
    found = [requirements.Requirement(line) for line in lines if line]
    return {utils.canonicalize_name(one.name): str(one.specifier) for one in found}


CORE = parse(PROJECT["project"]["dependencies"])


def test_requirements_are_what_pyproject_lists_but_for_ray():
    listed = CORE | parse(PROJECT["dependency-groups"]["dev"])
    for name in EXTRAS.keys() - {"ray"}:
        listed |= parse(EXTRAS[name])
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert parse(lines) == listed


def test_each_package_is_listed_once():
    groups = [PROJECT["project"]["dependencies"], *EXTRAS.values()]
    groups += PROJECT["dependency-groups"].values()
    names = [name for group in groups for name in parse(group)]
    assert len(names) == len(set(names))


def test_locks_hold_what_is_required_in_a_version_of_its_range():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    for lock in ("constraints.txt", "constraints-colab.txt"):
        pins = parse((ROOT / lock).read_text("utf-8").splitlines())
        for name, specifier in parse(lines).items():
            pin = pins.get(name, "").removeprefix("==").replace("*", "0")
            assert pin or lock != "constraints.txt", name
            assert not pin or requirements.SpecifierSet(specifier).contains(pin), name


def find_packages(path):
    """Yield the packages that a file imports, and whether it does so at its top."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in {name.partition(".")[0] for name in names}:
            if name not in sys.stdlib_module_names and name not in PACKAGES:
                yield BROUGHT.get(name, name), node in tree.body


@pytest.mark.parametrize("package", PACKAGES)
def test_what_code_imports_is_a_dependency_or_an_extra_that_is_asked_for(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        extra = NEEDS_EXTRA.get(str(path.relative_to(ROOT)))
        for name, at_top in find_packages(path):
            allowed = CORE | (parse(EXTRAS[extra]) if extra else {})
            if not at_top:
                allowed |= parse(line for lines in EXTRAS.values() for line in lines)
            assert name in allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_missing_extra_is_one_sentence_that_says_what_to_install():
    with pytest.raises(errors.MissingPackageError) as caught:
        with errors.require_extra("pages", "`rds-tf serve demo`", "Gradio"):
            import a_package_that_nobody_has  # noqa: F401
    sentence = "`rds-tf serve demo` needs Gradio: pip install 'rds-tf[pages]'"
    assert str(caught.value) == sentence


def test_missing_module_of_ours_is_a_bug_and_shown_as_one():
    with pytest.raises(ModuleNotFoundError, match="rds_tf.nowhere"):
        with errors.require_extra("pages", "`rds-tf serve demo`", "Gradio"):
            import rds_tf.nowhere  # noqa: F401


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without network by the installed backend."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--wheel-dir", str(out), "."]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """The wheel as pip lays it down, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def list_files(*folders):
    """Return the files that git does not ignore, as `Path`s; skip without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    command += ["--", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        pytest.skip("not a git clone")
    found = map(Path, done.stdout.rstrip("\0").split("\0"))
    return [path for path in found if (ROOT / path).is_file()]


def test_wheel_holds_the_packages_the_models_and_the_lessons_and_no_more(wheel):
    expected = set(list_files(*PACKAGES))
    models = [path for path in list_files("saved_models") if path.suffix != ".py"]
    expected |= {"rds_tf" / path for path in models}
    lessons = list_files("notebooks/src")
    expected |= {Path("rds_pages", "notebooks", path.name) for path in lessons}
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name) for name in archive.namelist()}
    assert len(models) >= 8 and len(lessons) == 8
    assert {path for path in held if ".dist-info" not in str(path)} == expected
    assert wheel.stat().st_size < 60e6


def test_metadata_names_what_runs_and_nothing_of_the_tests(unpacked):
    (path,) = unpacked.glob("rds_tf-*.dist-info/METADATA")
    metadata = message_from_string(path.read_text("utf-8"))
    needed = [
        requirements.Requirement(one) for one in metadata.get_all("Requires-Dist")
    ]
    core = {utils.canonicalize_name(one.name) for one in needed if not one.marker}
    assert core == CORE.keys()
    assert not core & {"gradio", "jupyter", "pytest", "ray", "playwright", "mkdocs"}
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS.keys()
    assert metadata["Requires-Python"] == ">=3.11"
    scripts = path.with_name("entry_points.txt").read_text("utf-8")
    assert "rds-tf = rds_tf.command_line:main" in scripts


@pytest.fixture
def run(unpacked, tmp_path, monkeypatch):
    """Return a function that runs a verb from the unpacked wheel in an empty folder."""
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    monkeypatch.delenv("RDS_TF_ARTIFACTS", raising=False)

    def call(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "rds_tf", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_installed_wheel_diagnoses_a_film_from_an_empty_folder(run, tmp_path):
    version = re.search('version__ = "(.+)"', (ROOT / "rds_tf/__init__.py").read_text())
    assert version[1] in run("--version")
    assert "diagnose" in run("--help")
    run("phantom", "films", "--cases", "1", "--longest-px", "128", "--workers", "1")
    assert "1 diagnosed, 0 refused" in run("diagnose", "films/dicom", "--out", "out")
    assert sorted(os.listdir(tmp_path)) == ["films", "out"]
    written = {"case0000.json", "case0000.png"}
    assert written <= {*os.listdir(tmp_path / "out")} <= written | {".lock"}


def test_installed_wheel_has_its_models_and_lessons_and_writes_where_one_stands(
    unpacked, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    monkeypatch.delenv("RDS_TF_ARTIFACTS", raising=False)
    code = """
from pathlib import Path
from rds_pages import demo
from rds_tf import config
print(Path(config.__file__).parent)
print(config.SAVED_MODELS)
print(len(demo.find_sources()), demo.SOURCES)
print(config.load_run().folder)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == [
        str(unpacked / "rds_tf"),
        str(unpacked / "rds_tf" / "saved_models"),
        f"8 {unpacked / 'rds_pages' / 'notebooks'}",
        str(tmp_path / "artifacts" / "phantom_quick"),
    ], done.stderr
