"""Calibration against cases by hand, brute force, and laws."""

import json

import numpy as np
import pytest
from scipy import special
from sklearn import linear_model
from sklearn import metrics as oracle

from rds_tf.stats import calibration


def make_logits(num_cases=400, seed=0):
    """Labels drawn with the chances which the logits say."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, num_cases)
    return (generator.random(num_cases) < special.expit(logits)).astype(int), logits


def test_error_of_four_cases_equals_the_sum_made_by_hand():
    # Bins {0.1, 0.3} with share 0.5 and {0.6, 0.8} with share 1: the means 0.2 and 0.7
    # lie 0.3 below both; in one bin 0.45 against 0.75.
    labels, probabilities = [0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8]

    def error(num_bins):
        return calibration.expected_calibration_error(labels, probabilities, num_bins)

    assert error(2) == pytest.approx(0.3)
    assert error(1) == pytest.approx(0.3)
    # A bin a case: (0.1 + 0.7 + 0.4 + 0.2) / 4; more bins than cases change nothing.
    assert error(4) == error(15) == pytest.approx(0.35)


def test_errors_of_both_signs_do_not_cancel_between_bins():
    # 0.4 too high in the low bin, 0.4 too low in the high one.
    labels, probabilities = [0, 0, 1, 1], [0.4, 0.4, 0.6, 0.6]
    error = calibration.expected_calibration_error
    assert error(labels, probabilities, 2) == pytest.approx(0.4)
    assert error(labels, probabilities, 1) == pytest.approx(0)


def test_error_equals_a_loop_over_sorted_cases_of_equal_number():
    labels, logits = make_logits(90)
    probabilities = special.expit(logits / 3)
    order = np.argsort(probabilities)
    gaps = (labels - probabilities)[order].reshape(9, 10)
    expected = np.mean([abs(gap.mean()) for gap in gaps])
    error = calibration.expected_calibration_error(labels, probabilities, 9)
    assert error == pytest.approx(expected)


def test_equal_probabilities_share_a_bin_whatever_their_order():
    labels, probabilities = (
        np.array([0, 1, 0, 1, 1]),
        np.array([0.2, 0.5, 0.5, 0.5, 0.9]),
    )
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 1, 0, 3]):
        bins = calibration.reliability(labels[order], probabilities[order], 5)
        assert [row["num"] for row in bins] == [1, 3, 1]
        assert [row["confidence"] for row in bins] == pytest.approx([0.2, 0.5, 0.9])
        assert [row["proportion"] for row in bins] == pytest.approx([0, 2 / 3, 1])


def test_bins_hold_all_cases_about_equally():
    labels, logits = make_logits(100)
    bins = calibration.reliability(labels, special.expit(logits), 15)
    assert sum(row["num"] for row in bins) == 100
    assert {row["num"] for row in bins} == {6, 7}


def test_interval_of_a_bin_is_the_one_of_wilson():
    # 8 of 10 and z = 1.96: (0.8 + 0.192) / 1.384 -+ 1.4162 * sqrt(0.016 + 0.0096).
    (row,) = calibration.reliability([1] * 8 + [0] * 2, [0.7] * 10, 10)
    assert row["low"] == pytest.approx(0.7168 - 0.2267, abs=2e-4)
    assert row["high"] == pytest.approx(0.7168 + 0.2267, abs=2e-4)
    (none,) = calibration.reliability([0] * 10, [0.7] * 10, 10)
    assert none["low"] == 0 and none["high"] == pytest.approx(
        3.8416 / 13.8416, abs=1e-4
    )


def test_scores_carry_the_values_of_their_own_functions():
    labels, logits = make_logits(80)
    case = labels, special.expit(2 * logits)
    scores = calibration.calibration_scores(*case, num_bins=6)
    expected = calibration.expected_calibration_error(*case, num_bins=6)
    assert scores["ece"]["value"] == pytest.approx(expected)
    expected = oracle.brier_score_loss(*case)
    assert scores["brier"]["value"] == pytest.approx(expected)
    for score in scores.values():
        assert score["low"] < score["value"] < score["high"]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_error_of_a_resample_is_that_of_its_cases_in_the_old_bins():
    # One bin, two patients: AA, AB or BB, of 4, 3 or 2 cases, with the mean gaps -0.1,
    # (-0.1 - 0.1 + 0.3) / 3 and 0.3, and the mean squares 0.01, 0.11 / 3 and 0.09.
    case = [0, 0, 1], [0.1, 0.1, 0.7], ["A", "A", "B"]
    scores = calibration.calibration_scores(*case, num_bins=1)
    expected = {"value": 0.1 / 3, "low": 0.1 / 3, "high": 0.3}
    assert scores["ece"] == pytest.approx(expected)
    expected = {"value": 0.11 / 3, "low": 0.01, "high": 0.09}
    assert scores["brier"] == pytest.approx(expected)


def test_one_class_can_be_scored_and_one_patient_has_no_interval():
    scores = calibration.calibration_scores([1, 1], [0.9, 0.7], ["A", "A"])
    assert scores["ece"] == {"value": pytest.approx(0.2), "low": None, "high": None}


@pytest.mark.parametrize(
    ("labels", "probabilities", "num_bins", "message"),
    [
        ([0, 1], [0.5, 1.5], 15, r"`probabilities` must be in \[0, 1\]"),
        ([0, 1], [0.5], 15, "must have one length. Received: 2 and 1"),
        ([], [], 15, "`probabilities` must be"),
        ([0, 1], [0.5, 0.5], 0, "`num_bins` must be 1 or more. Received: 0"),
    ],
)
def test_what_has_no_calibration_is_refused(labels, probabilities, num_bins, message):
    with pytest.raises(ValueError, match=message):
        calibration.expected_calibration_error(labels, probabilities, num_bins)


def test_true_logits_need_no_scaling():
    labels, logits = make_logits(20_000)
    temperature, intercept = calibration.fit_scaling(logits, labels)
    assert temperature == pytest.approx(1, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.05)


def test_temperature_of_two_thirds_right_is_worked_out_by_hand():
    # Logits of 2, right twice of three: sigmoid(2 / T) = 2/3, so T = 2 / ln 2.
    logits, labels = [2, 2, -2, 2, -2, -2], [1, 1, 0, 0, 0, 1]
    temperature, intercept = calibration.fit_scaling(logits, labels)
    assert temperature == pytest.approx(2 / np.log(2), rel=1e-4)
    assert intercept == pytest.approx(0, abs=1e-4)


def test_logits_three_times_as_large_need_both_numbers_three_times_as_large():
    labels, logits = make_logits()
    once = np.array(calibration.fit_scaling(logits, labels))
    assert calibration.fit_scaling(3 * logits, labels) == pytest.approx(
        3 * once, rel=1e-3
    )


def test_scaling_does_not_depend_on_which_class_is_called_positive():
    labels, logits = make_logits()
    temperature, intercept = calibration.fit_scaling(logits, labels)
    turned = calibration.fit_scaling(-logits, 1 - labels)
    assert turned == pytest.approx((temperature, -intercept), rel=1e-3)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([1, 2], [1, 1], "both classes. Received: 2 positive of 2"),
        ([1, np.inf], [0, 1], "`logits` must be finite numbers"),
        ([1, 2, 3], [0, 1], "`labels` and `logits` .* 2 and 3"),
    ],
)
def test_wrong_input_for_a_scaling_is_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        calibration.fit_scaling(logits, labels)


def test_scaling_finds_the_intercept_and_the_slope_that_made_the_labels():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-true))).astype(int)
    temperature, intercept = calibration.fit_scaling(3 * true - 1.5, labels)
    assert temperature == pytest.approx(3, rel=0.05)
    assert intercept == pytest.approx(-1.5, abs=0.1)


def test_scaling_equals_an_unpenalised_logistic_regression():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=60), rng.integers(0, 2, 60)
    line = linear_model.LogisticRegression(C=1e9, solver="newton-cholesky")
    line.fit(logits[:, None] + 2 * labels[:, None], labels)
    temperature, intercept = calibration.fit_scaling(logits + 2 * labels, labels)
    assert 1 / temperature == pytest.approx(line.coef_[0, 0], rel=1e-3)
    assert -intercept / temperature == pytest.approx(line.intercept_[0], rel=1e-2)


def test_classes_wholly_apart_keep_a_bounded_temperature():
    temperature, intercept = calibration.fit_scaling(
        [-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1]
    )
    assert 0.05 <= temperature < 0.1
    assert intercept == pytest.approx(0, abs=0.01)
