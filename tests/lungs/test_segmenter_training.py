import numpy as np
import pandas as pd
import pytest

from rds_tf.lungs import segmenter_training, unet
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
