import dataclasses

import numpy as np
import pandas as pd
import pytest

from rds_tf import config, errors, training
from rds_tf.lungs import segmenter_training, unet
from rds_tf.parallel import local
from rds_tf.storage import model_store

TINY = {"image_size": 32, "filters": 2}


def test_training_goes_on_from_the_shipped_weights_only_if_they_fit(
    tmp_path, monkeypatch, capsys
):
    shipped = unet.build_unet(**TINY)
    manifest = {"kind": "segmenter", "architecture": TINY, "training": {"seen": []}}
    model_store.save_model(shipped, tmp_path / "lungs", manifest)
    monkeypatch.setattr(segmenter_training.config, "SAVED_MODELS", tmp_path)
    fresh = unet.build_unet(**TINY)
    assert segmenter_training.load_start(fresh, TINY) == ("phantom", [])
    for ours, theirs in zip(fresh.get_weights(), shipped.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other = {"image_size": 32, "filters": 4}
    assert segmenter_training.load_start(unet.build_unet(**other), other) == (
        "scratch",
        [],
    )
    assert "Training from scratch" in capsys.readouterr().out


def test_training_goes_on_from_the_mask_of_its_own_convention(tmp_path, monkeypatch):
    both = TINY | {"num_masks": 2}
    shipped = unet.build_unet(**both)
    segmenter_training.save(
        shipped, tmp_path / "lungs", both, {"seen": []}, ["in", "out"]
    )
    monkeypatch.setattr(segmenter_training.config, "SAVED_MODELS", tmp_path)
    batch = np.random.default_rng(0).random((1, 32, 32, 1), dtype="float32")
    expected = shipped.predict_on_batch(batch)
    for index, heart in enumerate(["in", "out"]):
        fresh = unet.build_unet(**TINY)
        assert segmenter_training.load_start(fresh, TINY, heart) == ("phantom", [])
        found = fresh.predict_on_batch(batch)
        np.testing.assert_allclose(found, expected[..., [index]], atol=1e-6)


def test_without_shipped_weights_training_starts_from_scratch(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(segmenter_training.config, "SAVED_MODELS", tmp_path / "nowhere")
    assert segmenter_training.load_start(unet.build_unet(**TINY), TINY) == (
        "scratch",
        [],
    )
    assert "holds no segmenter" in capsys.readouterr().out


def test_a_network_of_larger_images_goes_on_from_one_of_smaller(tmp_path):
    small = unet.build_unet(**TINY)
    segmenter_training.save(small, tmp_path / "small", TINY, {"seen": ["a"]})
    large = TINY | {"image_size": 2 * TINY["image_size"]}
    fresh = unet.build_unet(**large)
    found = segmenter_training.load_start(fresh, large, "in", tmp_path / "small")
    assert found == ("small", ["a"])
    np.testing.assert_array_equal(fresh.get_weights()[0], small.get_weights()[0])


def test_a_start_that_saw_the_held_out_fold_is_refused(tmp_path):
    for fold, seen in ((0, ["b"]), (1, ["a"])):
        folder = tmp_path / f"segmenter_fold_{fold}"
        segmenter_training.save(unet.build_unet(**TINY), folder, TINY, {"seen": seen})
    held_out = pd.DataFrame({"patient_id": ["p"], "pixel_sha256": ["a"]})
    assert (
        segmenter_training.find_start(tmp_path, 0, held_out).name == "segmenter_fold_0"
    )
    with pytest.raises(ValueError, match="segmenter_fold_1: saw films of fold 1"):
        segmenter_training.find_start(tmp_path, 1, held_out)


@pytest.fixture
def list_jobs(prepared, tmp_path):
    """Return a function of steps and start: the jobs of folds 0 and 1."""

    def make(steps=10, start="scratch"):
        profile = config.load_profile("quick", steps)
        profile = dataclasses.replace(profile, segmenter=TINY, batch_size=2)
        arm = segmenter_training.Arm(start)
        return segmenter_training.list_jobs(prepared, tmp_path, arm, profile, (0, 1))

    return make


def test_finished_training_is_not_repeated_unless_asked(list_jobs, capsys):
    job = list_jobs()[0]
    training.run([job])
    manifest = job.folder / "manifest.json"
    first = manifest.stat().st_mtime_ns
    capsys.readouterr()
    training.run([job])
    assert manifest.stat().st_mtime_ns == first
    assert capsys.readouterr().out == (
        f"{job.folder}: segmenter, fold 0, was trained before and stays.\n"
    )
    training.run([job], again=True)
    assert manifest.stat().st_mtime_ns > first


def test_another_training_does_not_overwrite_a_finished_model(list_jobs, tmp_path):
    job = list_jobs()[0]
    training.run([job])
    before = (job.folder / "manifest.json").read_bytes()
    sentence = r"segmenter_fold_0: holds a finished model .*its steps differ.*--again"
    with pytest.raises(ValueError, match=sentence):
        training.run(list_jobs(steps=20)[:1])
    with pytest.raises(ValueError, match="its start differ"):
        training.run(list_jobs(start=str(tmp_path))[:1])
    assert (job.folder / "manifest.json").read_bytes() == before
    training.run(list_jobs(steps=20)[:1], again=True)
    assert model_store.read_manifest(job.folder)["training"]["steps"] == 20


def test_one_failed_training_costs_no_other_and_is_told(list_jobs, monkeypatch):
    def train(function, items, num_workers, description):
        failed, done = items
        return [local.Outcome(failed, error="no memory"), local.Outcome(done)]

    monkeypatch.setattr(local, "map_isolated", train)
    with pytest.raises(errors.RunError, match=r"1 of 2 trainings .*same command.*no m"):
        training.run(list_jobs())
