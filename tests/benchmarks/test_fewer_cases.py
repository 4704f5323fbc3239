import fewer_cases
import numpy as np
import pandas as pd

from rds_tf import config
from rds_tf.classification import classifier_training, cross_validation
from rds_tf.data import prepare


def test_a_smaller_choice_of_training_cases_lies_in_the_larger():
    table = pd.DataFrame(
        {
            "fold": np.arange(60) // 2 % 5,
            "patient_id": [f"p{i // 2}" for i in range(60)],
        }
    )
    small, large = (fewer_cases.choose_cases(table, 0, num) for num in (10, 30))
    assert (small.sum(), large.sum()) == (10, 30)
    assert not (small & ~large).any()
    assert not large[table["fold"] == 0].any()
    assert fewer_cases.choose_cases(table, 0, 60).sum() == 48


def test_a_fold_is_trained_on_the_cases_chosen_and_judges_all_it_held_out(
    prepared, tmp_path, monkeypatch
):
    profile = config.load_profile("quick", 10)
    arm = classifier_training.Arm("B0", "whole")
    job = cross_validation.list_jobs(prepared, tmp_path, [arm], profile)[1]
    seen = []
    monkeypatch.setattr(
        cross_validation,
        "train_fold",
        lambda job: seen.append(prepare.load_manifest(job.prepared)),
    )
    fewer_cases.train(job, num_cases=12)
    (table,) = seen
    whole = prepare.load_manifest(prepared)
    assert (table["fold"] != 1).sum() == 12
    assert (table["fold"] == 1).sum() == (whole["fold"] == 1).sum()
    rows = whole[whole["case_id"].isin(table["case_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table.reset_index(drop=True), rows)
