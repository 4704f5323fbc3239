import numpy as np
import pytest

from rds_tf.lungs import quality_control


@pytest.fixture
def mask():
    two = np.zeros((100, 100), "uint8")
    two[20:80, 10:40] = 1
    two[20:80, 60:90] = 1
    return two


def test_two_like_lungs_found_by_every_prediction_have_the_full_quality(mask):
    predictions = np.stack([mask, mask, mask]).astype("float32")
    assert quality_control.mask_quality(mask, predictions) == 1


def test_quality_is_the_mean_dice_of_the_predictions(mask):
    half = mask.copy()
    half[:, 50:] = 0  # Dice 2 * 1 / (2 + 1)
    predictions = np.stack([mask, half]).astype("float32")
    assert quality_control.mask_quality(mask, predictions) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_quality_is_the_product_with_the_certainty_of_the_predictions(mask):
    predictions = np.stack([mask, np.where(mask, 0.8, 0.0)]).astype("float32")
    # The second is 2 * 0.3 away from even chances; the mean of 1 and 0.6.
    assert quality_control.mask_quality(mask, predictions) == pytest.approx(0.8)


def test_uncertainty_beside_the_lungs_counts_as_that_within(mask):
    predictions = mask[None].astype("float32")
    predictions[0, 20:80, 40:60] = 0.5 - 1e-6  # as large as two thirds of a lung
    # Certain on 3,600 px, uncertain on 1,200.
    assert quality_control.mask_quality(mask, predictions) == pytest.approx(
        0.75, abs=1e-4
    )


def test_balance_falls_with_the_ratio_of_the_lungs(mask):
    assert quality_control.balance(mask) == 1
    mask[56:80, 60:90] = 0  # 36 rows of the other lung's 60 are left
    assert quality_control.balance(mask) == 1
    mask[40:80, 60:90] = 0  # 20 rows
    assert quality_control.balance(mask) == pytest.approx(2 * 20 / 60)
    mask[:, 50:] = 0
    assert quality_control.balance(mask) == 0.5


def test_no_lung_has_no_quality(mask):
    assert quality_control.mask_quality(0 * mask, mask[None].astype("float32")) == 0


def test_quality_control_is_measured_by_the_proportions_that_it_flags():
    dice = np.array([0.5, 0.7, 0.79, 0.78] + [0.9] * 10)
    low, high = quality_control.MIN_QUALITY - 0.01, quality_control.MIN_QUALITY + 0.01
    quality = np.array([low, low, high, low] + [low] + [high] * 9)
    judged = quality_control.judge_quality(dice, quality)
    assert (judged["num_bad"], judged["num_good"]) == (4, 10)
    assert judged["caught"] == 0.75 and judged["false_alarms"] == 0.1
    assert judged["caught_at_10"] == 0.75


def test_without_bad_masks_there_is_no_proportion_of_them():
    judged = quality_control.judge_quality(np.full(5, 0.9), np.ones(5))
    assert judged["num_bad"] == 0 and judged["caught"] is None
    assert judged["false_alarms"] == 0


def test_a_low_quality_becomes_a_warning(mask):
    assert quality_control.mask_warnings(mask, 1.0) == []
    (sentence,) = quality_control.mask_warnings(mask, 0.3)
    assert "may be wrong" in sentence and "0.30" in sentence


def test_implausible_masks_are_named():
    two = np.zeros((100, 100), "uint8")
    two[20:80, 10:40] = 1
    assert quality_control.mask_warnings(0 * two) == ["No lung was found."]
    (sentence,) = quality_control.mask_warnings(two)
    assert "Only one lung" in sentence
    two[20:80, 60:90] = 1
    assert quality_control.mask_warnings(two) == []
    two[20:60, 60:90] = 0
    (sentence,) = quality_control.mask_warnings(two)
    assert "more than twice" in sentence
