"""The command that makes the shipped models, run on the smallest networks."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rds_tf.classification import efficientnet
from rds_tf.lungs import unet
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
    monkeypatch.setattr(module, "CLASSIFIER", {"backbone": "B0", "image_size": 32})
    return module


def test_segmenter_is_trained_on_phantoms_and_saw_no_film(build, tmp_path):
    folder = build.train_segmenter(tmp_path, num_phantoms=4, num_steps=10)
    model, manifest = model_store.load_model(folder, "segmenter", unet.build_unet)
    assert manifest["training"]["seen"] == []
    assert manifest["training"]["data"] == "4 phantoms, no real film"
    assert manifest["hearts"] == ["in", "out"]
    assert model.input_shape == (None, 32, 32, 1)
    assert (folder / "history.csv").is_file() and not (folder / "backup.npz").exists()


def test_classifier_is_trained_through_the_lungs_of_the_segmenter_beside_it(
    build, models, tmp_path
):
    (tmp_path / "segmenter").symlink_to(models / "segmenter")
    folder = build.train_classifier(tmp_path, num_cases=6, num_steps=10)
    builder = efficientnet.make_builder()
    model, manifest = model_store.load_model(folder, "classifier", builder)
    assert manifest["training"]["seen"] == []
    assert manifest["training"]["data"] == "6 phantoms, no real film"
    assert manifest["input"] == "combined"
    assert model.input_shape == (None, 32, 32, 1)


def test_only_what_was_asked_for_is_trained_and_all_checksums_are_written(
    build, tmp_path, monkeypatch
):
    trained = []
    for name in ("segmenter", "classifier"):
        monkeypatch.setattr(
            build, f"train_{name}", lambda out, name=name: trained.append(name)
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
