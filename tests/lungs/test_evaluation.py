import numpy as np
import pytest

from rds_tf.data import prepare
from rds_tf.lungs import evaluation, segmenter


def test_a_perfect_network_has_the_highest_score_at_every_step(prepared, monkeypatch):
    table = prepare.load_manifest(prepared)
    table = table[table["mask"] != ""]
    truths = {}
    for row in table.itertuples():
        image, truth = evaluation.read_case(prepared, row)
        truths[image.tobytes()] = (truth > 0.5).astype("uint8")

    def perfect(model, images, steps):
        found = [segmenter.Segmentation(truths[i.tobytes()], 1.0) for i in images]
        return {step: found for step in steps}

    monkeypatch.setattr(segmenter, "segment_steps", perfect)
    scores = evaluation.score_cases(None, prepared, table)
    for step in segmenter.STEPS:
        assert scores[step].shape == (len(table), 3)
        assert (scores[step] == 1).all()
    assert (scores["quality"] == 1).all()


def test_a_gain_is_the_mean_of_the_paired_differences():
    patients = np.array(["a", "b", "c", "d"])
    none = np.tile([[0.5], [0.6], [0.7], [0.8]], 3)
    scores = {"none": none, "median": none + [0.1, 0.2, 0.3]}
    summary = evaluation._summarize(scores, patients)
    gain = summary["median"]["miou_gain"]
    # The same gain in every case: an interval of no width, however cases differ.
    assert [gain[k] for k in ("value", "low", "high")] == pytest.approx([0.1] * 3)
    assert "miou_gain" not in summary["none"]


def test_the_worst_angle_is_the_one_of_the_lowest_lung_iou():
    def at(value):
        return {"none": np.tile([0.9, value, 0.9], (3, 1))}

    cases = {"0": at(0.8), "45": at(0.6), "90": at(0.7)}
    worst = evaluation._find_worst(cases, np.array(["a", "b", "c"]))["none"]
    assert worst["angle"] == "45"
    assert worst["lung_iou"]["value"] == pytest.approx(0.6)
    assert worst["loss"]["value"] == pytest.approx(0.2)
