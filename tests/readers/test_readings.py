"""The readings table: what is read, and every refusal in its sentence."""

import numpy as np
import pandas as pd
import pytest

from rds_readers import readings


def write(table, path, separator=",", encoding="utf-8"):
    path.write_bytes(table.to_csv(index=False, sep=separator).encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_hand_written_table_is_read_in_every_encoding(
    table, tmp_path, separator, encoding
):
    table["reader"] = table["reader"].replace({"A": "김 선생", "B": "이 선생"})
    path = write(table, tmp_path / "r.csv", separator, encoding)
    loaded = readings.load_readings(path)
    assert set(loaded["reader"]) == {"김 선생", "이 선생"}
    assert loaded["rating"].tolist() == [0, 10, 20, 30, 1, 11, 21, 31] * 2
    assert loaded["truth"].dtype.kind == "i" and loaded["rating"].dtype.kind == "f"


def test_arrays_follow_the_names_whatever_the_order_of_the_rows(table):
    table["reader"] = table["reader"].replace({"A": "R10", "B": "R9"})
    shuffled = table.sample(frac=1, random_state=0)
    study = readings.to_arrays(readings.check_readings(shuffled))
    assert study.readers == ["R9", "R10"]  # natural order
    assert study.treatments == ["alone", "with model"]
    assert study.truth.tolist() == [False, False, True, True]
    assert study.ratings[1, 0].tolist() == [1, 11, 21, 31]
    assert study.ratings[0, 1].tolist() == [0, 10, 20, 30]
    assert study.seconds is None


def test_decision_falls_to_the_middle_of_the_scale_or_is_not_known(table):
    study = readings.to_arrays(readings.check_readings(table))
    assert study.decisions is None  # ratings up to 31 do not reach over 50
    table["rating"] = table["rating"].astype(float) + 30
    study = readings.to_arrays(readings.check_readings(table))
    assert study.decisions[0, 0].tolist() == [False, False, True, True]  # 50 is a yes
    table["decision"] = "1"
    study = readings.to_arrays(readings.check_readings(table))
    assert study.decisions.all()


def test_empty_columns_are_left_out_and_missing_times_stay_missing(table):
    table["decision"], table["seconds"] = "", ["7", *[""] * 15]
    checked = readings.check_readings(table)
    assert "decision" not in checked
    assert np.isnan(checked["seconds"]).sum() == 15


def change(column, row, value):
    def apply(table):
        table.loc[row, column] = value
        return table

    return apply


def keep(**wanted):
    return lambda t: t[np.logical_and.reduce([t[k].isin(v) for k, v in wanted.items()])]


def add_treatment(table):
    third = table[:4].assign(treatment="third")
    return pd.concat([table, third], ignore_index=True)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda t: t.drop(columns=["truth", "rating"]), "has no column truth, rating"),
        (lambda t: t[:0], "holds no reading"),
        (change("rating", 3, "sure"), 'row 3: the rating is "sure", expected a finite'),
        (change("rating", 3, "inf"), 'row 3: the rating is "inf", expected a finite'),
        (change("rating", 3, ""), 'row 3: the rating is "", expected a finite'),
        (change("truth", 2, "2"), 'row 2: the truth is "2", expected 0 or 1'),
        (change("case", 2, " "), "row 2: the case is empty"),
        (change("truth", 9, "1"), "truth of case b is both 0 and 1"),
        (change("case", 1, "a"), "reader A, treatment alone, case a was read before"),
        (add_treatment, "exactly two. Received 3: alone, third, with model"),
        (keep(treatment=["alone"]), "exactly two. Received 1: alone"),
        (keep(reader=["A"]), "only reader is A"),
        (keep(case=["a", "b"]), "Received 0 and 2"),
        (keep(case=["a", "b", "c"]), "Received 1 and 2"),
        (
            lambda t: t.drop(index=[6, 13]),
            "2 of 16 readings are missing, the first of them reader A, treatment with "
            "model, case c",
        ),
        (
            lambda t: t.assign(decision=["1"] * 15 + [""]),
            'row 15: the decision is "", expected 0 or 1',
        ),
        (lambda t: t.assign(seconds="-1"), 'row 0: the seconds is "-1"'),
    ],
)
def test_table_that_cannot_be_tested_is_refused_in_one_sentence(table, spoil, sentence):
    with pytest.raises(ValueError) as refusal:
        readings.check_readings(spoil(table), "mine.csv")
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith("mine.csv")


def test_file_is_named_with_the_line_as_an_editor_counts_it(table, tmp_path):
    table.loc[0, "rating"] = "x"
    path = write(table, tmp_path / "r.csv")
    with pytest.raises(ValueError, match=r"r\.csv, row 2: the rating is \"x\""):
        readings.load_readings(path)
    with pytest.raises(ValueError, match="Cannot read"):
        readings.load_readings(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.csv has no column reader"):
        readings.load_readings(tmp_path / "empty.csv")
    (tmp_path / "wide.csv").write_text(
        "reader,treatment,case,truth,rating\na,b,c,1,2,3"
    )
    with pytest.raises(ValueError, match="row 2: more cells than the header"):
        readings.load_readings(tmp_path / "wide.csv")
