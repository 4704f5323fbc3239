"""Thresholds and abstention against cases by hand and brute force."""

import json

import numpy as np
import pytest

from rds_tf.stats import thresholds


def make_readings(num_cases=40, seed=0):
    """Labels and probabilities in steps of 0.1, so that many are equal."""
    generator = np.random.default_rng(seed)
    labels = np.arange(num_cases) % 2
    return labels, np.clip(0.3 * labels + generator.random(num_cases), 0, 1).round(1)


@pytest.mark.parametrize(
    ("sensitivity", "expected"),
    [(1, 0.2), (0.76, 0.2), (0.75, 0.6), (0.5, 0.6), (0.25, 0.9), (0.01, 0.9)],
)
def test_threshold_keeps_the_sensitivity_by_the_least_call(sensitivity, expected):
    # Positives at 0.9, 0.6 (two, called together) and 0.2.
    labels, probabilities = [1, 1, 1, 1, 0, 0], [0.9, 0.6, 0.6, 0.2, 0.1, 0.7]
    threshold = thresholds.threshold_for_sensitivity(labels, probabilities, sensitivity)
    assert threshold == expected


def test_no_higher_threshold_keeps_the_sensitivity():
    for seed in range(20):
        labels, probabilities = make_readings(seed=seed)
        found = probabilities[labels == 1]
        chosen = thresholds.threshold_for_sensitivity(labels, probabilities, 0.8)
        assert np.mean(found >= chosen) >= 0.8
        assert np.mean(found >= np.nextafter(chosen, 2)) < 0.8


def test_share_which_is_no_binary_fraction_is_kept_exactly():
    # 0.07 * 100 is 7.000000000000001 in floats: the seventh case suffices all the same.
    labels, probabilities = [1] * 100 + [0], np.r_[np.arange(100, 0, -1) / 100, 0]
    threshold = thresholds.threshold_for_sensitivity(labels, probabilities, 0.07)
    assert threshold == 0.94


def test_accuracy_is_best_midway_between_neighbours():
    # Between 0.3 and 0.8 all are right.
    threshold = thresholds.threshold_for_accuracy([0, 0, 1, 1], [0.1, 0.3, 0.8, 0.9])
    assert threshold == pytest.approx(0.55)


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    # One error at 0.15 and one at 0.75, which is nearer to 0.5.
    labels, probabilities = [0, 1, 0, 1], [0.1, 0.2, 0.5, 1.0]
    threshold = thresholds.threshold_for_accuracy(labels, probabilities)
    assert threshold == pytest.approx(0.75)


def test_of_two_as_near_the_lower_is_taken():
    # 0.35 and 0.65 both leave one error; their floats differ in distance to 0.5.
    labels, probabilities = [0, 1, 0, 1], [0.3, 0.4, 0.6, 0.7]
    threshold = thresholds.threshold_for_accuracy(labels, probabilities)
    assert threshold == pytest.approx(0.35)


def test_no_threshold_of_all_is_more_accurate():
    tried = np.r_[np.linspace(0, 1, 201), 1.1]
    for seed in range(20):
        labels, probabilities = make_readings(seed=seed)
        right = [np.sum((probabilities >= t) == labels) for t in tried]
        chosen = thresholds.threshold_for_accuracy(labels, probabilities)
        assert np.sum((probabilities >= chosen) == labels) == max(right)


def test_all_positive_and_all_negative_are_thresholds_too():
    # Three of four are positive whatever their order, or negative even at 1.
    assert thresholds.threshold_for_accuracy([1, 1, 1, 0], [0.0, 0.2, 0.4, 1.0]) == 0
    above = thresholds.threshold_for_accuracy([1, 0, 0, 0], [0.0, 0.2, 0.4, 1.0])
    assert 1 < above < 1.001


def test_wrong_input_for_a_threshold_is_refused():
    with pytest.raises(ValueError, match="both classes. Received: 0 positive of 2"):
        thresholds.threshold_for_sensitivity([0, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"in \(0, 1\]. Received: 95"):
        thresholds.threshold_for_sensitivity([0, 1], [0.1, 0.2], 95)


def test_risk_and_coverage_equal_the_counts_made_by_hand():
    # Surest first: right, then a tie of right and wrong, then wrong.
    curve = thresholds.risk_coverage([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.5])
    assert curve["coverage"] == [0.25, 0.75, 1.0]
    assert curve["risk"] == pytest.approx([0, 1 / 3, 2 / 4])
    assert curve["area"] == pytest.approx(0 / 4 + 2 / 4 * 1 / 3 + 1 / 4 * 1 / 2)
    assert json.loads(json.dumps(curve)) == curve


def test_order_of_tied_cases_does_not_matter():
    correct, confidence = np.array([1, 0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.9, 0.1])
    expected = thresholds.risk_coverage(correct, confidence)
    order = [2, 1, 0, 4, 3]
    assert thresholds.risk_coverage(correct[order], confidence[order]) == expected


def test_area_without_ties_is_the_mean_of_the_risks():
    generator = np.random.default_rng(0)
    correct, confidence = generator.integers(0, 2, 50), generator.random(50)
    curve = thresholds.risk_coverage(correct, confidence)
    wrong = 1 - correct[np.argsort(-confidence)]
    risks = [wrong[: k + 1].mean() for k in range(50)]
    assert curve["area"] == pytest.approx(np.mean(risks))


def test_one_confidence_for_all_is_one_step_and_no_error_no_risk():
    curve = thresholds.risk_coverage([1, 0, 1, 1], [0.7] * 4)
    assert curve == {"coverage": [1.0], "risk": [0.25], "area": 0.25}
    assert thresholds.risk_coverage([1, 1], [2, 3])["area"] == 0


@pytest.mark.parametrize(
    ("correct", "confidence", "message"),
    [
        ([0, 1], [0.5], "`correct` and `confidence` .* Received: 2 and 1"),
        ([0, 0.5], [0.5, 0.5], r"`correct` must be 0 or 1, .*\[0\.5\]"),
        ([0, 1], [0.5, np.nan], "`confidence` must be finite numbers"),
        ([], [], "`correct` must be 0 or 1"),
    ],
)
def test_wrong_input_for_risk_is_refused(correct, confidence, message):
    with pytest.raises(ValueError, match=message):
        thresholds.risk_coverage(correct, confidence)
