"""The table of a prepared folder, when somebody else has written in it."""

import pandas as pd
import pytest

from rds_tf.data import cohort, manifest

ROW = {
    **{"case_id": "a", "patient_id": "p", "rds": "1", "exist_json": "1", "fold": "4"},
    **{"image": "images/a.png", "mask": "masks/a.png", "height": "6", "width": "8"},
    **{"roi_area": "12.5", "filepath": r"C:\a.dcm", "bits_stored": "12"},
    **{"pixel_sha256": "ab" * 32, "near_duplicate_of": "", "notes": ""},
}


def write(folder, *rows):
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)


def test_whole_table_is_loaded_with_its_types(tmp_path):
    write(tmp_path, ROW, ROW | {"case_id": "b", "mask": "", "roi_area": ""})
    table = manifest.load(tmp_path)
    assert (table["fold"] + table["rds"]).tolist() == [5, 5]
    assert table["roi_area"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("rds", "2", "0 to 1"),
        ("rds", "1.0", "0 to 1"),
        ("exist_json", "", "0 to 1"),
        ("fold", "5", "0 to 4"),
        ("fold", "-1", "0 to 4"),
        ("height", "0", "1 to 65535"),
        ("width", "2000000000", "1 to 65535"),
        ("bits_stored", "x", "1 to 16"),
        ("roi_area", "nan", "an area"),
        ("roi_area", "inf", "an area"),
        ("roi_area", "-3", "an area"),
        ("image", "../secret.png", "a path in the folder"),
        ("image", "/etc/passwd", "a path in the folder"),
        ("image", "", "a path in the folder"),
        ("mask", r"C:\secret.png", "a path in the folder"),
        ("mask", r"masks\..\..\secret.png", "a path in the folder"),
        ("case_id", "../../evil", "a file's name"),
        ("case_id", "..", "a file's name"),
        ("case_id", "", "a file's name"),
        ("patient_id", "", "a name"),
        ("pixel_sha256", "", "a SHA-256"),
        ("pixel_sha256", "x" * 64, "a SHA-256"),
    ],
)
def test_cell_that_prepare_never_writes_is_refused_with_its_row(
    tmp_path, column, cell, expected
):
    write(tmp_path, ROW, ROW | {"case_id": "b", column: cell})
    sentence = rf"manifest\.csv, row 3: the {column} is .*, not {expected}\.$"
    with pytest.raises(cohort.CohortError, match=sentence):
        manifest.load(tmp_path)


def test_table_with_a_columns_old_name_is_loaded_with_one_note(tmp_path, capsys):
    old = {name: cell for name, cell in ROW.items() if name != "near_duplicate_of"}
    write(tmp_path, old | {"alike": "a"}, old | {"case_id": "b", "alike": "a"})
    for _ in range(2):
        assert manifest.load(tmp_path)["near_duplicate_of"].tolist() == ["a", "a"]
    printed = capsys.readouterr().out
    assert "`alike` is read as `near_duplicate_of`" in printed
    assert printed.count("\n") == 1


def test_case_that_stands_twice_is_refused(tmp_path):
    write(tmp_path, ROW, ROW)
    with pytest.raises(cohort.CohortError, match=r"manifest\.csv: the case a stands"):
        manifest.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b'a,b\n"1', b"a\n1,2,3\n1\n"])
def test_what_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(cohort.CohortError, match=r"manifest\.csv (is not a|has no)"):
        manifest.load(tmp_path)
