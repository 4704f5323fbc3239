"""Folds: patients whole, shares fair, and an audit that sees what is wrong."""

import numpy as np
import pandas as pd
import pytest

from rds_tf.data import cohort, folds


def make_table(num_cases=200, seed=0):
    """A cohort where some patients have several films and some cases no outline."""
    rng = np.random.default_rng(seed)
    area = rng.lognormal(12, 0.4, num_cases)
    area[::10] = np.nan
    return pd.DataFrame(
        {
            "case_id": [f"c{i:03}" for i in range(num_cases)],
            "patient_id": [f"p{i:03}" for i in rng.integers(0, num_cases, num_cases)],
            "rds": (rng.random(num_cases) < 0.4).astype(int),
            "roi_area": area,
        }
    )


def test_ten_lone_patients_are_dealt_by_area_two_a_fold():
    table = make_table(10).assign(patient_id=list("abcdefghij"), rds=0)
    table["roi_area"] = np.arange(100.0, 0, -10)
    dealt = folds.assign_folds(table)
    assert sorted(dealt[:5]) == [0, 1, 2, 3, 4]  # the five largest lungs part
    assert sorted(dealt[5:]) == [0, 1, 2, 3, 4]
    assert pd.Series(table["roi_area"]).groupby(dealt).sum().tolist() == [110.0] * 5


def test_patient_with_several_films_is_dealt_while_there_is_room():
    table = make_table(15).assign(patient_id=list("abcdefghijklzzz"), rds=0)
    table["roi_area"] = np.arange(150.0, 0, -10)  # z has the smallest lungs
    assert np.bincount(folds.assign_folds(table)).tolist() == [3] * 5


@pytest.mark.parametrize("seed", range(3))
def test_every_patient_stays_in_one_fold(seed):
    table = make_table(seed=seed)
    table["fold"] = folds.assign_folds(table)
    assert table.groupby("patient_id")["fold"].nunique().max() == 1


@pytest.mark.parametrize("seed", range(3))
def test_size_rate_and_area_are_balanced(seed):
    table = make_table(seed=seed)
    audit = folds.audit_folds(table.assign(fold=folds.assign_folds(table)))
    assert np.ptp(audit["num_cases"]) <= 2
    assert np.ptp(audit["num_outlined"]) <= 3
    assert np.ptp(audit["rds_rate"]) < 0.05
    assert np.ptp(audit["mean_area"]) < 0.08 * audit["mean_area"].mean()


def test_the_order_of_the_rows_does_not_matter():
    table = make_table().assign(fold=lambda t: folds.assign_folds(t))
    shuffled = table.sample(frac=1, random_state=1)
    assert (folds.assign_folds(shuffled) == shuffled["fold"]).all()


def test_cohort_without_any_outline_is_dealt_too():
    table = make_table(10).assign(patient_id=list("abcdefghij"), roi_area=np.nan)
    assert np.bincount(folds.assign_folds(table)).tolist() == [2, 2, 2, 2, 2]


def test_fewer_patients_than_folds_leave_folds_empty():
    table = make_table(3).assign(patient_id=list("abc"))
    assert len(set(folds.assign_folds(table))) == 3


def test_one_infant_under_two_names_stays_in_one_fold():
    cases = make_table(8).assign(
        patient_id=["a", "", "", "b", "", "", "", ""],
        pseudonym=["P1", "P1", "P2", "P2", "", "P3", "P3", "P4"],
        notes=[[]] * 8,
    )
    dealt = folds.add_folds(cases)
    names = ["a", "a", "b", "b", "c004", "P3", "P3", "P4"]
    assert dealt["patient_id"].tolist() == names
    assert dealt.groupby("patient_id")["fold"].nunique().max() == 1
    assert set(dealt["notes"]) == {""}


def test_patients_are_joined_through_others():
    table = pd.DataFrame(
        {
            "patient_id": list("edcba"),
            "pseudonym": ["P1", "P1", "P2", "", ""],
            "pixel_sha256": ["1", "2", "2", "3", "4"],
        }
    )
    assert folds.group_cases(table) == ["c", "c", "c", "b", "a"]


def test_identical_films_of_two_patients_share_a_fold():
    table = make_table(20).assign(patient_id=[f"p{i}" for i in range(20)])
    table["pixel_sha256"] = [str(i % 10) for i in range(20)]
    audit = folds.audit_folds(table.assign(fold=folds.assign_folds(table)))
    assert audit["duplicates_across"].sum() == 0
    assert audit["duplicates_within"].sum() == 10


def test_pseudonym_of_nearly_all_is_ignored_and_noted():
    cases = make_table(10).assign(patient_id=["a"] * 2 + [""] * 8, notes=[[]] * 10)
    cases["pseudonym"] = ["P0"] * 9 + ["P1"]
    dealt = folds.add_folds(cases)
    assert dealt["patient_id"].tolist() == ["a", "a", *cases["case_id"][2:9], "P1"]
    noted = [False] * 2 + [True] * 7 + [False]  # the table names the first two
    assert dealt["notes"].str.contains("PatientID is ignored").tolist() == noted
    assert dealt["fold"].nunique() == 5


def test_too_few_patients_are_told():
    cases = make_table(6).assign(patient_id="", notes=[[]] * 6)
    cases["pseudonym"] = ["P0"] * 3 + ["P1"] * 3
    reason = "Only 2 of 5 folds hold cases"
    with pytest.raises(cohort.CohortError, match=f"{reason}: give a patient_id column"):
        folds.add_folds(cases)
    assert set(folds.add_folds(cases[1:5])["notes"]) == {reason}


def test_audit_counts_by_hand():
    table = pd.DataFrame(
        {
            "fold": [0, 0, 0, 1, 1],
            "patient_id": ["a", "a", "b", "b", "c"],
            "rds": [1, 0, 0, 1, 1],
            "roi_area": [10, 20, np.nan, 40, np.nan],
            "pixel_sha256": ["x", "x", "y", "z", "y"],
        }
    )
    audit = folds.audit_folds(table)
    assert audit["num_cases"].tolist() == [3, 2]
    assert audit["num_patients"].tolist() == [2, 2]
    assert audit["rds_rate"].tolist() == pytest.approx([1 / 3, 1])
    assert audit["num_outlined"].tolist() == [2, 1]
    assert audit["mean_area"].tolist() == [15, 40]
    assert audit["shared_patients"].tolist() == [1, 1]  # b is in both
    assert audit["duplicates_within"].tolist() == [1, 0]  # x twice in fold 0
    assert audit["duplicates_across"].tolist() == [1, 1]  # y in both


def test_find_unseen_keeps_every_film_of_a_known_patient_out():
    table = pd.DataFrame(
        {"patient_id": ["a", "a", "b"], "pixel_sha256": ["1" * 64, "2" * 64, "3" * 64]}
    )
    assert folds.find_unseen(table, ["2" * 16]).tolist() == [False, False, True]


def test_find_unseen_keeps_the_patients_of_identical_films_out():
    table = pd.DataFrame(
        {"patient_id": list("aabc"), "pixel_sha256": [c * 64 for c in "1223"]}
    )
    assert folds.find_unseen(table, ["1" * 16]).tolist() == [False] * 3 + [True]


def test_an_infant_with_many_films_stays_in_one_fold():
    # 7 of 30 films are more than a fair fold holds; 16 of 30 are more than half.
    for count, num_folds in ((7, 1), (16, 5)):
        cases = make_table(30).assign(patient_id="", notes=[[]] * 30)
        cases["pseudonym"] = ["P0"] * count + [f"P{i}" for i in range(1, 31 - count)]
        dealt = folds.add_folds(cases)
        assert dealt["fold"][:count].nunique() == num_folds
