"""Scores against cases worked out by hand, laws, and scikit-learn."""

import json

import numpy as np
import pytest
from sklearn import metrics as oracle

from rds_tf.stats import metrics

TRUE = np.array([[1, 1, 0, 0], [1, 1, 0, 0]])
PREDICTED = np.array([[0, 1, 1, 0], [0, 1, 1, 0]])  # 2 pixels shared, 6 in either
EMPTY = np.zeros((2, 4), "uint8")


def make_readings(num_cases, seed=0):
    """Labels and probabilities in steps of 0.1, so that many are equal."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, num_cases)
    return labels, np.clip(0.3 * labels + generator.random(num_cases), 0, 1).round(1)


def test_iou_and_dice_equal_the_counts_made_by_hand():
    assert metrics.iou(TRUE, PREDICTED) == 2 / 6
    assert metrics.dice(TRUE, PREDICTED) == 4 / 8


def test_miou_is_the_mean_of_lung_and_background():
    assert metrics.miou(TRUE, PREDICTED) == (2 / 6 + 2 / 6) / 2
    assert metrics.miou(TRUE, EMPTY) == (0 + 4 / 8) / 2


def test_two_empty_masks_agree_wholly():
    scores = metrics.segmentation_scores(EMPTY, EMPTY)
    assert scores == {"miou": 1.0, "lung_iou": 1.0, "dice": 1.0}


def test_mask_scores_equal_scikit_learn():
    true, predicted = np.random.default_rng(0).integers(0, 2, (2, 9, 7))
    flat = true.ravel(), predicted.ravel()
    scores = metrics.segmentation_scores(true, predicted)
    assert scores["lung_iou"] == pytest.approx(oracle.jaccard_score(*flat))
    assert scores["miou"] == pytest.approx(oracle.jaccard_score(*flat, average="macro"))
    assert scores["dice"] == pytest.approx(oracle.f1_score(*flat))


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (EMPTY[:, :3], r"one shape .*\(2, 4\) and \(2, 3\)"),
        (PREDICTED * 255, "`predicted` must hold 0 and 1 only.*0 to 255"),
        (PREDICTED * 0.5, "`predicted` must hold 0 and 1 only"),
        (np.full((2, 4), np.nan), "`predicted` must hold 0 and 1 only"),
    ],
)
def test_what_is_not_a_mask_is_refused(predicted, message):
    with pytest.raises(ValueError, match=message):
        metrics.iou(TRUE, predicted)


def test_interval_of_the_mean_agrees_with_the_normal_law():
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    interval = metrics.bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval["value"] == pytest.approx(values.mean())
    assert interval["low"] == pytest.approx(values.mean() - half, abs=half / 10)
    assert interval["high"] == pytest.approx(values.mean() + half, abs=half / 10)


def test_patients_are_drawn_whole():
    # Two patients: a resample is AA, AB or BB, so 2.5 and 97.5 % fall on A and B.
    values = [0.0] * 50 + [1.0] * 50
    by_patient = metrics.bootstrap_interval(values, ["A"] * 50 + ["B"] * 50)
    assert by_patient == {"value": 0.5, "low": 0.0, "high": 1.0}
    by_case = metrics.bootstrap_interval(values)
    assert 0.35 < by_case["low"] < by_case["high"] < 0.65


def test_interval_does_not_depend_on_how_the_draws_are_cut_in_blocks():
    groups = np.arange(7)
    whole = np.concatenate(list(metrics._draw_weights(groups, 10, seed=3)))
    cut = list(metrics._draw_weights(groups, 10, seed=3, block_size=21))
    assert [len(block) for block in cut] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(cut), whole)
    np.testing.assert_array_equal(whole.sum(axis=1), 7)


def test_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random(20)
    first, again, other = (
        metrics.bootstrap_interval(values, num_resamples=99, seed=seed)
        for seed in (5, 5, 6)
    )
    assert first == again != other


def test_one_patient_has_a_value_and_no_interval():
    expected = {"value": 0.5, "low": None, "high": None}
    assert metrics.bootstrap_interval([0.4, 0.6], ["A", "A"]) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(values=[]), "`values` must be finite numbers"),
        (dict(values=[0.5, np.nan]), r"with \[nan\]"),
        (dict(values=[0.5], groups=["A", "B"]), "each of 1 cases. Received: 2"),
        (dict(values=[0.5, 0.5], groups=["A", None]), "1 without name"),
        (dict(values=[0.5, 0.5], groups=["A", ""]), "1 without name"),
    ],
)
def test_wrong_input_for_an_interval_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.bootstrap_interval(**arguments)


def test_diagnosis_scores_equal_the_counts_made_by_hand():
    # At 0.5: TN 2, FP 1, FN 1, TP 3; of the 12 pairs 10.5 are in the right order.
    labels = [0, 0, 0, 1, 1, 1, 1]
    probabilities = [0.1, 0.4, 0.5, 0.4, 0.6, 0.8, 0.9]
    scores = metrics.diagnosis_scores(labels, probabilities)
    assert scores["confusion"] == [[2, 1], [1, 3]]
    assert scores["num_cases"] == 7
    assert scores["accuracy"]["value"] == pytest.approx(5 / 7)
    assert scores["precision"]["value"] == pytest.approx(3 / 4)
    assert scores["recall"]["value"] == pytest.approx(3 / 4)
    assert scores["specificity"]["value"] == pytest.approx(2 / 3)
    assert scores["f1"]["value"] == pytest.approx(6 / 8)
    assert scores["auroc"]["value"] == pytest.approx(10.5 / 12)


def test_diagnosis_scores_equal_scikit_learn():
    labels, probabilities = make_readings(200)
    decisions = probabilities >= 0.6
    scores = metrics.diagnosis_scores(labels, probabilities, threshold=0.6)
    expected = {
        "accuracy": oracle.accuracy_score(labels, decisions),
        "precision": oracle.precision_score(labels, decisions),
        "recall": oracle.recall_score(labels, decisions),
        "specificity": oracle.recall_score(labels, decisions, pos_label=0),
        "f1": oracle.f1_score(labels, decisions),
        "auroc": oracle.roc_auc_score(labels, probabilities),
    }
    assert {name: scores[name]["value"] for name in expected} == pytest.approx(expected)
    assert scores["confusion"] == oracle.confusion_matrix(labels, decisions).tolist()


def test_auroc_of_each_resample_equals_scikit_learn_on_the_drawn_cases():
    labels, probabilities = make_readings(30)
    groups = np.arange(30) // 3
    (weights,) = metrics._draw_weights(groups, 20, seed=0)
    statistic = metrics.auroc_statistic(labels.astype(bool), probabilities)
    expected = [
        oracle.roc_auc_score(
            np.repeat(labels, times.astype(int)),
            np.repeat(probabilities, times.astype(int)),
        )
        for times in weights
    ]
    np.testing.assert_allclose(statistic(weights), expected)


def test_interval_holds_the_true_auroc_about_as_often_as_it_says():
    # Normal readings one standard deviation apart: AUROC = Phi(1 / sqrt(2)) = 0.7602.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    held = 0
    for _ in range(200):
        readings = generator.normal(labels, 1)
        scores = metrics.diagnosis_scores(
            labels, 1 / (1 + np.exp(-readings)), num_resamples=200
        )
        held += scores["auroc"]["low"] <= 0.7602 <= scores["auroc"]["high"]
    assert 0.89 <= held / 200 <= 0.99


def test_what_is_not_defined_is_none_so_that_it_can_go_to_json():
    scores = metrics.diagnosis_scores([0, 0, 0], [0.1, 0.2, 0.3])
    undefined = {"value": None, "low": None, "high": None}
    for name in ("precision", "recall", "f1", "auroc"):
        assert scores[name] == undefined
    assert scores["specificity"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert scores["confusion"] == [[3, 0], [0, 0]]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_resamples_of_one_class_do_not_enter_the_interval_of_auroc():
    # Two cases in the right order: every resample with both classes has AUROC 1.
    scores = metrics.diagnosis_scores([0, 1], [0.2, 0.9])
    assert scores["auroc"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.5], "must have one length. Received: 2 and 1"),
        ([0, 2], [0.5, 0.5], r"must be 0 or 1, .* with \[2\.0\]"),
        ([0, 1], [0.5, 1.5], r"with \[1\.5\]"),
        ([0, 1], [0.5, np.nan], "`probabilities` must be in"),
        ([], [], "`probabilities` must be in"),
    ],
)
def test_wrong_labels_or_probabilities_are_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        metrics.diagnosis_scores(labels, probabilities)
