"""The page of a reader study: sentence, tables, figures, and JSON."""

import base64
import io
import json
import re
import sys
import types

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rds_pages.reports import reader_plots, reader_tables
from rds_readers import decisions, readings
from rds_tf import command_line as command
from rds_tf import config

ALONE = [[10, 60, 40, 90], [20, 30, 70, 80]]  # 3/4 of pairs right, and all
MODEL = [[10, 20, 80, 90], [20, 30, 70, 80]]


@pytest.fixture
def table():
    arms = {"alone": ALONE, "with model": MODEL}
    rows = [
        (f"Dr <{reader}>", arm, f"c{case}", int(case > 1), rating, 30 + case)
        for arm, readers in arms.items()
        for reader, ratings in enumerate(readers)
        for case, rating in enumerate(ratings)
    ]
    columns = ["reader", "treatment", "case", "truth", "rating", "seconds"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def described(table):
    study = readings.to_arrays(readings.check_readings(table))
    return study, decisions.describe(study)


def analyse(table, folder):
    table.to_csv(folder / "readings.csv", index=False)
    outputs = ["--json", str(folder / "a" / "s.json"), "--out", str(folder / "b")]
    code = command.main(["study", "analyse", str(folder / "readings.csv"), *outputs])
    return code, folder / "a" / "s.json", folder / "b" / "readers.html"


def test_analyse_prints_the_table_and_writes_json_and_page(table, tmp_path, capsys):
    code, figures, page = analyse(table, tmp_path)
    assert code == 0
    text = capsys.readouterr().out
    assert "0.875 in the arm" in text and 'higher by 0.1250 in "with model"' in text
    assert config.NOT_FOR_CLINICAL_USE in text
    figures = json.loads(figures.read_text(encoding="utf-8"))
    assert {"auc", "difference", "se", "f", "df2", "p", "ci"} < set(figures)
    # Scores 3/4, 1 and 1, 1: first minus second.
    assert (figures["auc"], figures["difference"]) == ([0.875, 1], -0.125)
    low, high = figures["ci"]
    assert low < -0.125 < high
    assert figures["treatments"] == ["alone", "with model"]
    page = page.read_text(encoding="utf-8")
    assert config.NOT_FOR_CLINICAL_USE in page


def test_page_stands_alone_and_describes_its_pictures(table, tmp_path):
    page = analyse(table, tmp_path)[2].read_text(encoding="utf-8")
    assert "<script" not in page and "http" not in page
    assert "Dr &lt;0&gt;" in page and "Dr <" not in page
    pictures = re.findall(
        r'<img alt="([^"]+)" width="\d+" src="data:[^,]+,([^"]+)"', page
    )
    assert len(pictures) == page.count("<img") == 3
    assert "AUROC rises for 1 of 2" in pictures[0][0]
    for _, content in pictures:
        pixels = Image.open(io.BytesIO(base64.b64decode(content)))
        assert np.asarray(pixels.convert("L")).std() > 5  # something is drawn


def test_verdict_names_the_better_arm_and_turns_with_the_order(table, described):
    verdict, doubt = reader_tables.state_verdict(*described)
    assert 'higher by 0.1250 in "with model" (95 % interval ' in verdict
    assert "does not show a difference" in doubt
    names = {"alone": "with model", "with model": "alone"}
    turned = readings.check_readings(table.replace({"treatment": names}))
    study = readings.to_arrays(turned)
    assert (
        'in "alone"' in reader_tables.state_verdict(study, decisions.describe(study))[0]
    )


def test_tables_count_changes_of_mind_and_times(described):
    tables = reader_tables.list_tables(*described)
    head, first, second, total = tables["Changes of mind and time"]
    # At 50, reader 0 turns case 1 (60 to 20) and case 2 (40 to 80) right.
    assert first == ["Dr <0>", "2", "1", "0", "0", "32", "32"]
    assert second[1:5] == ["0", "0", "0", "0"]
    assert total[:5] == ["all", "2", "1", "0", "0"]
    assert all(len(row) == len(rows[0]) for rows in tables.values() for row in rows)


def test_study_without_decisions_and_times_leaves_their_tables_out(table, tmp_path):
    scale = table.drop(columns="seconds").assign(rating=table["rating"] / 20)
    page = analyse(scale, tmp_path)[2].read_text(encoding="utf-8")
    assert "Is the difference" in page and page.count("<img") == 2
    assert "Sensitivity" not in page and "Changes of mind" not in page


def test_folder_is_read_as_a_pack_whose_key_lies_beside_it(
    table, tmp_path, monkeypatch, capsys
):
    asked = []
    pack = types.ModuleType("answers")
    pack.load_answers = lambda *places: asked.append(places) or table
    monkeypatch.setitem(sys.modules, "rds_readers.answers", pack)
    monkeypatch.setattr("rds_readers.answers", pack, raising=False)
    (tmp_path / "pack").mkdir()
    assert command.main(["study", "analyse", str(tmp_path / "pack")]) == 0
    assert asked == [(tmp_path / "pack", tmp_path / "pack_key.csv")]
    assert "higher by 0.1250" in capsys.readouterr().out


def test_korean_names_of_readers_are_drawn(table, tmp_path):
    if len(reader_plots.list_fonts()) < 2:
        pytest.skip("no font with Korean letters is installed")
    korean = table.replace({"reader": {"Dr <0>": "김 선생"}})
    code, _, page = analyse(korean, tmp_path)  # a missing letter would warn
    assert code == 0 and "김 선생" in page.read_text(encoding="utf-8")


def test_readers_without_any_error_still_get_their_page(table, tmp_path):
    perfect = table.assign(rating=90.0 * table["truth"])
    code, figures, page = analyse(perfect, tmp_path)
    assert code == 0
    assert "There is no difference" in page.read_text(encoding="utf-8")
    assert json.loads(figures.read_text(encoding="utf-8"))["p"] == 1


def test_readings_of_one_arm_end_in_one_sentence(table, tmp_path, capsys):
    code, *_ = analyse(table[table["treatment"] == "alone"], tmp_path)
    assert code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_lines_of_the_readers_carry_their_scores():
    scores = np.array([[0.7, 0.8], [0.9, 0.75]])
    spans = [[0.6, 0.9], [0.7, 0.95]]
    figure = reader_plots.plot_readers(
        scores, means=[0.75, 0.825], intervals=spans, treatments="ab", readers="PQ"
    )
    (panel,) = figure.axes
    drawn = [line.get_ydata().tolist() for line in panel.lines]
    assert drawn[:2] == [[0.7, 0.9], [0.8, 0.75]]
    assert panel.lines[0].get_color() != panel.lines[1].get_color()  # up and down
    assert drawn[2::2] == spans


def test_names_of_near_readers_are_moved_apart_and_far_ones_stay():
    scores = np.array([[0.5] * 4, [0.9, 0.4, 0.5, 0.5]])
    figure = reader_plots.plot_readers(
        scores,
        means=[0.5, 0.6],
        intervals=[[0.4, 0.9]] * 2,
        treatments="ab",
        readers="WXYZ",
    )
    labels = [text for text in figure.axes[0].texts if text.get_text() in "WXYZ"]
    heights = [text.xyann[1] for text in labels]
    assert heights[:2] == [0.9, 0.4]
    assert heights[2] != heights[3] and np.mean(heights[2:]) == pytest.approx(0.5)


def test_mean_curve_has_the_mean_area():
    generator = np.random.default_rng(0)
    truth = np.arange(40) % 2
    ratings = generator.normal(truth, 1, (2, 3, 40))
    (panel,) = reader_plots.plot_mean_roc(truth, ratings, "ab").axes
    for name, arm in zip("ab", ratings, strict=True):
        wins = arm[:, truth == 1, None] > arm[:, None, truth == 0]
        (mean,) = [line for line in panel.lines if line.get_label().startswith(name)]
        area = np.trapezoid(mean.get_ydata(), mean.get_xdata())
        assert area == pytest.approx(wins.mean(), abs=0.002)
        assert mean.get_label() == f"{name}: mean AUROC {wins.mean():.3f}"


def test_bars_and_dots_carry_changes_and_times():
    times = [[5, None], [3, 4]]
    figure = reader_plots.plot_changes(
        [4, 1], [0, 2], readers="PQ", seconds=times, treatments="ab"
    )
    changes, seconds = figure.axes
    assert [bar.get_width() for bar in changes.patches] == [4, 1, 0, -2]
    assert seconds.lines[1].get_xdata().tolist() == [3, 4]
    assert len(reader_plots.plot_changes([4, 1], [0, 2], readers="PQ").axes) == 1
