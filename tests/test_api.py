"""The functions of `rds_tf` and `rds_phantoms` themselves."""

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import rds_phantoms
import rds_tf
from rds_tf import api, errors
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph

ROOT = Path(__file__).parents[1]
DOOR = ("diagnose", "explain", "load_models", "prepare", "read_radiograph", "segment")


@pytest.fixture(scope="module")
def shipped():
    return rds_tf.load_models()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder with one film, `case0000.dcm`."""
    folder = tmp_path_factory.mktemp("films")
    rds_phantoms.write_cohort(folder, num_cases=1, seed=7, longest_px=256)
    (folder / "out" / "dicom").mkdir(parents=True)
    for place in ("case0000.dcm", "out/dicom/case0000.dcm"):
        shutil.copy(folder / "dicom" / "case0000.dcm", folder / place)
    return folder


@pytest.mark.parametrize("name", DOOR)
def test_example_in_the_docstring_runs(name, films, shipped, monkeypatch):
    monkeypatch.chdir(films)
    monkeypatch.setattr(api, "_load_shipped", lambda: shipped)
    function = getattr(rds_tf, name)
    names = {"rds_tf": rds_tf, "rds_phantoms": rds_phantoms}
    (example,) = doctest.DocTestFinder(recurse=False).find(function, globs=names)
    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


def test_door_holds_these_functions_and_help_lists_each():
    functions = [n for n in rds_tf.__all__ if callable(getattr(rds_tf, n))]
    assert functions == list(DOOR)
    for module in (rds_tf, rds_phantoms):
        listed = re.findall(r"^    (\w+)  +\w", module.__doc__, re.M)
        callables = [n for n in module.__all__ if callable(getattr(module, n))]
        assert sorted(listed) == sorted(callables)


def test_reading_a_film_loads_no_tensorflow(films):
    code = "import sys, rds_tf; rds_tf.read_radiograph(sys.argv[1])\n"
    code += "assert 'pydicom' in sys.modules and 'tensorflow' not in sys.modules"
    command = [sys.executable, "-c", code, str(films / "case0000.dcm")]
    subprocess.run(command, check=True, timeout=60)


def test_phantoms_load_nothing_of_the_method():
    code = "import sys, rds_phantoms; assert 'numpy' not in sys.modules\n"
    code += "rds_phantoms.make_phantom(0, (64, 64)), rds_phantoms.write_cohort\n"
    code += "assert not [n for n in sys.modules if n.startswith('rds_tf')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_file_its_radiograph_and_its_array_give_the_same_diagnosis(films, shipped):
    path = films / "case0000.dcm"
    film = rds_tf.read_radiograph(str(path))
    expected = diagnose.diagnose(path, shipped)
    for source in (path, film, film.image):
        found = rds_tf.diagnose(source, shipped)
        assert found.probability == expected.probability
        np.testing.assert_array_equal(found.mask, expected.mask)
        np.testing.assert_array_equal(found.heatmap, expected.heatmap)
        lungs = rds_tf.segment(source, shipped)
        np.testing.assert_array_equal(lungs.mask, expected.mask)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_whole_numbers_are_scaled_by_the_most_their_type_holds(dtype):
    most = np.iinfo(dtype).max
    film = api._read(np.array([[0, most], [most, 0]], dtype))
    assert film.image.tolist() == [[0, 1], [1, 0]] and film.image.dtype == "float32"
    assert film.bits_stored == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros((4, 4, 3)), r"float64 \(4, 4, 3\)"),
        (np.zeros((0, 4)), r"float64 \(0, 4\)"),
        (np.zeros((4, 4), "int32"), r"int32 \(4, 4\)"),
        (np.full((4, 4), 255.0), "values from 255 to 255"),
        (np.array([[0.0, np.nan]]), "values from nan to nan"),
        (None, r"object \(\)"),
    ],
)
def test_an_array_that_is_no_image_is_refused_in_one_sentence(image, received):
    with pytest.raises(errors.InputError, match=f"Received: {received}"):
        api._read(image)


def test_a_missing_film_is_named():
    with pytest.raises(radiograph.RadiographError, match="nowhere.dcm"):
        rds_tf.read_radiograph("nowhere.dcm")


def test_the_map_of_the_shipped_models_is_that_of_their_diagnosis(films, shipped):
    """A diagnosis shows no map where it finds no RDS, so its own step is the oracle."""
    path = films / "case0000.dcm"
    found = rds_tf.diagnose(path, shipped)
    explained = rds_tf.explain(shipped, path)
    logits, heat, _ = diagnose.ensemble.ask_models(
        shipped.classifiers, found.image, found.mask
    )
    np.testing.assert_allclose(explained.logits, logits, rtol=1e-5)
    np.testing.assert_allclose(explained.heatmap, heat, atol=1e-5)
    assert explained.agreement.shape == explained.spread.shape == found.image.shape


def test_a_keras_model_is_explained_on_an_array(classifier):
    image = np.random.default_rng(0).random((64, 64), dtype="float32")
    assert rds_tf.explain(classifier, image, class_index=0).mean.shape == (64, 64)


def test_ten_lines_of_the_readme_run(films, monkeypatch):
    monkeypatch.chdir(films)
    code = re.search(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )[1]
    assert len([line for line in code.splitlines() if line]) <= 12
    matplotlib.use("agg")
    exec(compile(code, "README.md", "exec"), names := {})
    written = sorted(films.glob("*.png"))
    assert len(written) == 1 and written[0].stat().st_size > 10_000
    assert 0 <= names["found"].probability <= 1
