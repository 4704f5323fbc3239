"""Decisions, agreement and times, worked out by hand."""

import numpy as np
import pytest

from rds_readers import decisions, readings

TRUTH = [1, 1, 0, 0]
DECISIONS = np.array([[[1, 0, 1, 0], [1, 1, 0, 0]], [[1, 1, 0, 1], [0, 1, 0, 0]]])


def test_sensitivity_and_specificity_stand_by_treatment_and_reader():
    found = decisions.score_decisions(TRUTH, DECISIONS)
    assert found["sensitivity"]["each"] == [[0.5, 1], [1, 0.5]]
    assert found["specificity"]["each"] == [[0.5, 1], [0.5, 1]]
    assert found["sensitivity"]["difference"] == 0


def test_changes_of_mind_are_counted_for_better_and_worse():
    first, second = decisions.count_changes(TRUTH, DECISIONS)
    # Reader 1: case 2 missed then found, case 3 called then cleared, case 4 called.
    assert (first["better"], first["worse"], first["stayed_right"]) == (2, 1, 1)
    assert (first["better_positive"], first["better_negative"]) == (1, 1)
    assert (first["worse_positive"], first["worse_negative"]) == (0, 1)
    # Reader 2: case 1 found, then missed.
    assert (second["better"], second["worse"], second["stayed_wrong"]) == (0, 1, 0)
    assert second["worse_positive"] == 1


def test_kappas_of_three_readers_equal_the_fractions_by_hand():
    # Votes 3, 0, 2, 1 of 3: agreement (1 + 1 + 1/3 + 1/3) / 4 = 2/3 where chance has
    # 1/2: Fleiss' kappa 1/3. Pairs: (3/4 - 1/2) / (1/2), (1/2 - 3/8) / (5/8) and
    # (3/4 - 1/2) / (1/2), so 1/2, 1/5 and 1/2: mean 2/5.
    arm = [[1, 0, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0]]
    found = decisions.measure_agreement(arm)
    assert found["fleiss"]["value"] == pytest.approx(1 / 3)
    assert found["fleiss"]["low"] < 1 / 3 < found["fleiss"]["high"]
    assert found["cohen"] == pytest.approx(2 / 5)


def test_agreement_on_everything_is_one_and_on_one_answer_not_defined():
    full = decisions.measure_agreement([[1, 0, 1]] * 2)
    assert full["cohen"] == full["fleiss"]["value"] == 1
    none = decisions.measure_agreement([[1, 1, 1]] * 2)
    assert none["cohen"] is None and none["fleiss"]["value"] is None


def test_time_is_the_median_of_what_was_noted():
    seconds = [[[1, 2, 9], [np.nan] * 3], [[4, np.nan, 6], [0, 0, 1]]]
    assert decisions.measure_time(seconds) == [[2, None], [5, 0]]


def test_description_holds_only_what_the_study_allows(table):
    study = readings.to_arrays(readings.check_readings(table))
    assert set(decisions.describe(study)) == {"auroc"}
    table["decision"], table["seconds"] = table["truth"], "3"
    found = decisions.describe(readings.to_arrays(readings.check_readings(table)))
    assert {"sensitivity", "specificity", "changes", "agreement"} < set(found)
    assert found["seconds"] == [[3, 3], [3, 3]]
    assert found["sensitivity"]["means"]["mean"] == [1, 1]
