"""The results table, from score files small enough to read."""

import json

import numpy as np
import pandas as pd
import pytest

from rds_pages.reports import score_tables
from rds_tf import config
from rds_tf.stats import metrics

ABLATION = {
    "num_cases": 540,
    "angles": {
        "0": {
            "none": {"miou": {"value": 0.834, "low": 0.82, "high": 0.85}},
            "median": {"miou": {"value": 0.847, "low": None, "high": None}},
        },
        "45": {"none": {"miou": {"value": 0.5, "low": 0.4, "high": 0.6}}},
    },
}
LABELS, PROBABILITIES = [0, 0, 1, 1], [0.1, 0.6, 0.7, 0.9]


@pytest.fixture
def folder(tmp_path):
    arms = {
        "B0 whole": metrics.diagnosis_scores(LABELS, PROBABILITIES),
        "B0 <all> RDS": metrics.diagnosis_scores([1, 1], [0.7, 0.9]),
    }
    diagnosis = {"data": "phantom", "num_cases": 4, "arms": arms}
    (tmp_path / "segmentation.json").write_text(json.dumps(ABLATION))
    (tmp_path / "diagnosis.json").write_text(json.dumps(diagnosis))
    return tmp_path


def pick(table, arm, metric):
    (row,) = table[(table["arm"] == arm) & (table["metric"] == metric)].index
    return table.loc[row, ["value", "low", "high"]].tolist()


def test_table_holds_one_row_a_score(folder):
    table = score_tables.write_results_table(folder)
    assert pick(table, "none", "miou") == [0.834, 0.82, 0.85]
    assert pick(table, "none, turned by 45 degrees", "miou") == [0.5, 0.4, 0.6]
    assert pick(table, "B0 whole", "accuracy")[0] == 0.75
    assert [pick(table, "B0 whole", n)[0] for n in score_tables.COUNTS] == [1, 1, 0, 2]
    # 3 segmentation scores; 2 arms of 6 scores and 4 counts.
    assert len(table) == 3 + 2 * (6 + 4)


def test_csv_gives_the_same_table_back(folder):
    table = score_tables.write_results_table(folder)
    again = pd.read_csv(folder / "results.csv")
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_table_says_what_data_it_was(folder):
    table = score_tables.write_results_table(folder).set_index("task")
    assert set(table.loc["diagnosis", "data"]) == {"phantom"}
    assert set(table.loc["segmentation", "data"]) == {folder.name}
    assert set(table.loc["segmentation", "num_cases"]) == {540}


def test_what_is_not_defined_is_nan_in_the_table_and_a_dash_in_the_text(folder):
    table = score_tables.write_results_table(folder)
    assert np.isnan(pick(table, "B0 <all> RDS", "auroc")).all()
    (line,) = [n for n in score_tables.format_table(table).splitlines() if "<all>" in n]
    assert line.split()[-2:] == ["-", "0/0/0/2"]


def test_text_lines_up_values_with_intervals(folder):
    lines = score_tables.format_table(
        score_tables.write_results_table(folder)
    ).splitlines()
    assert lines[0] == f"Lung segmentation (data: {folder.name}, 540 cases)"
    column = lines[1].index("MIoU")
    assert lines[2][column:] == "0.834 (0.820 to 0.850)"
    assert lines[3][column:] == "0.847"
    assert lines[-1].endswith(config.NOT_FOR_CLINICAL_USE)


def test_page_needs_no_other_file_and_escapes_names(folder):
    score_tables.write_results_table(folder)
    page = (folder / "results.html").read_text("utf-8")
    assert ">0.834 <span>(0.820 to 0.850)</span></td>" in page
    assert "B0 &lt;all&gt; RDS" in page and "<all>" not in page
    assert config.NOT_FOR_CLINICAL_USE in page
    assert "data: phantom, 4 cases" in page
    assert "http" not in page and "src=" not in page


def test_one_file_is_enough_and_no_draft_stays(folder):
    (folder / "diagnosis.json").unlink()
    table = score_tables.write_results_table(folder)
    assert set(table["task"]) == {"segmentation"}
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["results.csv", "results.html", "segmentation.json"]


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds neither segmentation.json"):
        score_tables.write_results_table(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"num_cases": 1}',
        '{"num_cases": 1, "angles": {"0": {"none": {"miou": 0.8}}}}',
        '{"num_cases": 1, "angles": {"0": {"none": {"miou": {"value": 0.8}}}}}',
    ],
)
def test_file_of_another_shape_is_refused_by_name(tmp_path, content):
    (tmp_path / "segmentation.json").write_text(content)
    with pytest.raises(ValueError, match="segmentation.json: is not a file of scores"):
        score_tables.write_results_table(tmp_path)


def test_the_worst_angle_and_the_passes_stand_in_the_table():
    interval = {"value": 0.8, "low": 0.7, "high": 0.9}
    worst = {"angle": "45", "lung_iou": interval, "loss": interval}
    scores = {
        "num_cases": 3,
        "forward_passes": {"none": 1, "median+rotate": 6},
        "angles": {"0": {"none": {"miou": interval}, "median+rotate": {}}},
        "worst": {"median+rotate": worst},
    }
    scores["angles"]["0"]["median+rotate"] = {"miou": interval}
    table = score_tables.make_table("segmentation", scores)
    assert pick(table, "median+rotate (6 passes)", "miou") == [0.8, 0.7, 0.9]
    old = {("passes" if k == "forward_passes" else k): v for k, v in scores.items()}
    assert score_tables.make_table("segmentation", old).equals(table)
    arm = "median+rotate, worst angle (45 degrees)"
    assert pick(table, arm, "lung_iou") == pick(table, arm, "loss") == [0.8, 0.7, 0.9]


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (
            [0.0, 1.0],
            "of 1 bad masks (Dice < 0.8) 100% were flagged, of 1 good ones 0%",
        ),
        ([0.0], "of 1 bad masks (Dice < 0.8) 100% were flagged, of 0 good ones -"),
    ],
)
def test_quality_control_is_a_sentence_even_where_no_mask_was_good(quality, said):
    from rds_tf.lungs import quality_control

    judged = quality_control.judge_quality(
        np.array([0.5, 0.9])[: len(quality)], np.array(quality)
    )
    text = score_tables.format_scores(
        "segmentation", ABLATION | {"quality_control": judged}
    )
    assert said in text and "MIoU" in text
