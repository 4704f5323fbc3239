"""The case table: what is found, what is rejected, and why."""

import pandas as pd
import pytest

from rds_tf.data import cohort

HEADER = "filepath,rds,exist_json,roi_area,height,width"


def load(folder, *rows, header=HEADER, encoding="utf-8"):
    path = folder / "cohort.csv"
    path.write_bytes("\r\n".join([header, *rows, ""]).encode(encoding))
    return cohort.load_cohort(path, folder)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def only_reason(rejected):
    assert len(rejected) == 1
    return rejected["reason"].item()


def test_windows_row_of_the_study_is_resolved_under_the_root(tmp_path):
    touch(tmp_path, "dicom/a.dcm", "json/a.json")
    cases, rejected = load(
        tmp_path, r"C:\dataset\medical_imaging\a.dcm,1,1,173892.9,1657,956"
    )
    assert len(rejected) == 0
    case = cases.iloc[0]
    assert case["case_id"] == "a"
    assert case["source"] == tmp_path / "dicom/a.dcm"
    assert case["annotation"] == tmp_path / "json/a.json"
    assert (case["rds"], case["exist_json"], case["roi_area"]) == (1, 1, 173892.9)
    assert (case["height"], case["width"], case["patient_id"]) == (1657, 956, "")


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("cp949", ","), ("utf-16", "\t")],
)
def test_table_is_read_in_the_encodings_of_a_korean_excel(
    tmp_path, encoding, delimiter
):
    touch(tmp_path, "신생아.dcm")
    row = delimiter.join([r"C:\영상\신생아.dcm", "0", "0", "", "", ""])
    header = HEADER.replace(",", delimiter)
    cases, _ = load(tmp_path, row, header=header, encoding=encoding)
    assert cases["case_id"].tolist() == ["신생아"]
    assert pd.isna(cases["roi_area"].item())


def test_name_decomposed_by_a_mac_is_the_same_name(tmp_path):
    touch(tmp_path, "한.dcm")  # one syllable on disk, three letters in the table
    cases, _ = load(tmp_path, "\u1112\u1161\u11ab.dcm,0,0,,,")
    assert len(cases) == 1


def test_longest_common_tail_wins(tmp_path):
    touch(tmp_path, "x/a.dcm", "y/a.dcm")
    cases, _ = load(tmp_path, r"D:\films\y\a.dcm,0,0,,,", r"D:\films\x\a.dcm,1,0,,,")
    assert cases["source"].tolist() == [tmp_path / "y/a.dcm", tmp_path / "x/a.dcm"]
    assert cases["case_id"].tolist() == ["y__a", "x__a"]


def test_path_used_whole_wins_over_a_copy_deeper_down(tmp_path):
    touch(tmp_path, "x/a.dcm", "old/x/a.dcm")
    cases, _ = load(tmp_path, r"D:\x\a.dcm,0,0,,,")
    assert cases["source"].item() == tmp_path / "x/a.dcm"


def test_ambiguous_name_is_rejected_and_both_are_listed(tmp_path):
    touch(tmp_path, "x/a.dcm", "y/a.dcm")
    _, rejected = load(tmp_path, r"D:\films\a.dcm,0,0,,,")
    assert "ambiguous: x/a.dcm or y/a.dcm" in only_reason(rejected)


def test_letter_case_decides_only_between_two(tmp_path):
    touch(tmp_path, "A.DCM")
    cases, _ = load(tmp_path, "a.dcm,0,0,,,")
    assert cases["source"].item() == tmp_path / "A.DCM"


def test_annotation_beside_the_image_wins_over_one_elsewhere(tmp_path):
    touch(tmp_path, "x/a.dcm", "x/a.json", "y/a.dcm", "json/y/a.json")
    cases, _ = load(tmp_path, r"x\a.dcm,0,1,,,", r"y\a.dcm,0,1,,,")
    expected = [tmp_path / "x/a.json", tmp_path / "json/y/a.json"]
    assert cases["annotation"].tolist() == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (r"C:\gone.dcm,1,0,,,", "No file gone.dcm"),
        ("a.dcm,2,0,,,", 'The rds is "2", expected 0 or 1'),
        ("a.dcm,,0,,,", 'The rds is "", expected 0 or 1'),
        ("a.dcm,1,yes,,,", 'The exist_json is "yes"'),
        ("a.dcm,1,1,,,", "No file a.json"),
        ("a.dcm,1,0,-5,,", 'The roi_area is "-5"'),
        ("a.dcm,1,0,,inf,", 'The height is "inf"'),
        ("a.dcm,1,0,,,wide", 'The width is "wide"'),
        (",1,0,,,", "The filepath is empty"),
        (r"..\..\a.dcm,1,0,,,", 'holds ".."'),
        ("/etc/passwd,1,0,,,", "No file passwd"),
        ("a.dcm,1,0,,,,,", "more cells than the header"),
        ("a.dcm", 'The rds is ""'),
    ],
)
def test_bad_row_is_rejected_with_its_line_and_the_next_goes_on(tmp_path, row, reason):
    touch(tmp_path, "a.dcm", "b.dcm")
    cases, rejected = load(tmp_path, row, "b.dcm,1,0,,,")
    assert reason in only_reason(rejected)
    assert rejected["row"].item() == 2
    assert rejected["file"].item() == row.split(",")[0]
    assert cases["case_id"].tolist() == ["b"]


def test_second_row_of_the_same_file_is_rejected_naming_the_first(tmp_path):
    touch(tmp_path, "a.dcm")
    cases, rejected = load(tmp_path, r"C:\x\a.dcm,1,0,,,", "", "C:/X/a.dcm,0,0,,,")
    assert cases["rds"].tolist() == [1]
    assert rejected["row"].item() == 4  # the empty line counts
    assert only_reason(rejected) == "The file is already in row 2."


@pytest.mark.parametrize("order", [1, -1])
def test_row_without_its_file_does_not_take_the_film_of_another(tmp_path, order):
    touch(tmp_path, "p2/001.dcm")
    rows = [r"C:\p1\001.dcm,1,0,,,", r"C:\p2\001.dcm,0,0,,,"][::order]
    cases, rejected = load(tmp_path, *rows)
    assert cases["rds"].tolist() == [0]
    reason = "Its own file is missing; p2/001.dcm belongs to row {}."
    assert only_reason(rejected) == reason.format(cases["row"].item())


def test_rightful_row_keeps_its_film_even_if_it_cannot_be_used(tmp_path):
    touch(tmp_path, "p2/001.dcm")
    cases, rejected = load(tmp_path, r"p1\001.dcm,1,0,,,", r"p2\001.dcm,?,0,,,")
    assert len(cases) == 0
    assert "belongs to row 3" in rejected["reason"][0]
    assert 'rds is "?"' in rejected["reason"][1]


def test_rows_with_an_equal_claim_to_one_film_are_all_rejected(tmp_path):
    touch(tmp_path, "001.dcm")
    cases, rejected = load(tmp_path, r"p1\001.dcm,1,0,,,", r"p2\001.dcm,0,0,,,")
    assert len(cases) == 0
    assert set(rejected["reason"]) == {"Rows 2 and 3 lead to the same file 001.dcm."}


@pytest.mark.parametrize("place", ["p2/001.json", "p2/json/001.json", "j/p2/001.json"])
@pytest.mark.parametrize("outlined", [0, 1])
def test_outline_of_another_image_is_not_taken(tmp_path, place, outlined):
    touch(tmp_path, "p1/001.dcm", "p2/001.dcm", place)
    cases, rejected = load(
        tmp_path, r"p1\001.dcm,1,1,,,", rf"p2\001.dcm,0,{outlined},,,"
    )
    assert cases["row"].tolist() == [3]
    assert only_reason(rejected) == "The only 001.json belongs to another image."
    if outlined:
        assert cases["annotation"].item() == tmp_path / place


def test_outline_drawn_on_an_export_elsewhere_is_found(tmp_path):
    touch(tmp_path, "dicom/a.dcm", "drawn/a.png", "drawn/a.json")
    cases, _ = load(tmp_path, r"C:\a.dcm,1,1,,,")
    assert cases["annotation"].item() == tmp_path / "drawn/a.json"


def test_outline_that_two_cases_claim_goes_to_neither(tmp_path):
    touch(tmp_path, "p1/001.dcm", "p2/001.dcm", "drawn/001.json")
    rows = [r"p1\001.dcm,1,1,,,", r"p2\001.dcm,0,1,,,"]
    cases, rejected = load(tmp_path, *rows)
    assert len(cases) == 0
    assert set(rejected["reason"]) == {"Rows 2 and 3 lead to the same file 001.json."}


def test_size_of_0_or_nothing_is_unknown(tmp_path):
    touch(tmp_path, "a.dcm")
    cases, _ = load(tmp_path, "a.dcm,1,0,0,0.0,")
    assert cases[["roi_area", "height", "width"]].isna().all(axis=None)


def test_link_out_of_the_root_is_rejected(tmp_path):
    touch(tmp_path, "secret.dcm", "root/b.dcm")
    (tmp_path / "root/a.dcm").symlink_to(tmp_path / "secret.dcm")
    path = tmp_path / "cohort.csv"
    path.write_text(f"{HEADER}\na.dcm,1,0,,,\n")
    _, rejected = cohort.load_cohort(path, tmp_path / "root")
    assert "link out of the root" in only_reason(rejected)


def test_annotation_that_links_out_of_the_root_is_rejected(tmp_path):
    touch(tmp_path, "secret.json", "root/a.dcm")
    (tmp_path / "root/a.json").symlink_to(tmp_path / "secret.json")
    path = tmp_path / "cohort.csv"
    path.write_text(f"{HEADER}\na.dcm,1,1,,,\n")
    _, rejected = cohort.load_cohort(path, tmp_path / "root")
    assert "a.json is a link out of the root" in only_reason(rejected)


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(1)"])
def test_cell_that_a_spreadsheet_would_compute_is_rejected(tmp_path, cell):
    touch(tmp_path, "a.dcm", "b.dcm")
    header = HEADER + ",patient_id"
    cases, rejected = load(
        tmp_path, f"a.dcm,1,0,,,,{cell}", "b.dcm,1,0,,,,-", header=header
    )
    assert only_reason(rejected) == "The patient_id starts like a formula."
    assert cases["patient_id"].tolist() == ["-"]


def test_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(cohort.CohortError, match=r"cohort\.csv has two columns rds\."):
        load(tmp_path, "a.dcm,1,0,0", header="filepath,rds,exist_json,RDS ")


def test_one_film_of_two_patients_names_is_not_two_films(tmp_path):
    touch(tmp_path, "a.dcm")
    header = HEADER + ",patient_id"
    cases, rejected = load(
        tmp_path, "a.dcm,1,0,,,,kim", "a.dcm,1,0,,,,lee", header=header
    )
    assert cases["patient_id"].tolist() == ["kim"]
    assert only_reason(rejected) == "The file is already in row 2."


def test_files_that_differ_by_suffix_alone_get_names_of_their_own(tmp_path):
    touch(tmp_path, "x/a.dcm", "x/a.png", "y/1.2.840")
    cases, _ = load(tmp_path, *(f"{n},1,0,,," for n in ["a.dcm", "a.png", "1.2.840"]))
    assert cases["case_id"].tolist() == ["x__a.dcm", "x__a.png", "1.2.840"]


def test_results_of_an_earlier_run_are_not_taken_for_sources(tmp_path):
    touch(
        tmp_path, "a.png", "out/images/a.png", "out/masks/a.png", "out/records/a.json"
    )
    cases, _ = load(tmp_path, r"C:\images\a.png,1,0,,,")
    assert cases["source"].item() == tmp_path / "a.png"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column filepath, rds, exist_json"),
        (b"filepath,rds\na.dcm,1\n", "no column exist_json"),
        (b"\xff\xfe\x00", "is not a table"),
        (b"\x81\xff\x00", "is not a table"),
        (b'filepath,rds,exist_json\n"' + b"a" * 200_000, "is not a table"),
    ],
)
def test_file_that_is_no_table_is_refused_whole(tmp_path, content, reason):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(cohort.CohortError, match=rf"cohort\.csv.*{reason}"):
        cohort.load_cohort(path, tmp_path)


def test_missing_table_and_missing_root_are_named(tmp_path):
    with pytest.raises(cohort.CohortError, match=r"gone\.csv: No such file"):
        cohort.load_cohort(tmp_path / "gone.csv", tmp_path)
    (tmp_path / "cohort.csv").write_text(HEADER)
    with pytest.raises(cohort.CohortError, match="gone is not a folder"):
        cohort.load_cohort(tmp_path / "cohort.csv", tmp_path / "gone")


def test_two_columns_of_patients_are_refused(tmp_path):
    touch(tmp_path, "a.dcm")
    header = f"{HEADER},patient_id,Patient_ID"
    with pytest.raises(cohort.CohortError, match="two columns patient_id"):
        load(tmp_path, "a.dcm,1,0,,,,p1,", header=header)


def test_a_path_that_spells_another_files_name_gets_one_of_its_own(tmp_path):
    touch(tmp_path, "b.dcm", "a/b.dcm", "a__b.dcm")
    rows = ("b.dcm,1,0,,,", "a/b.dcm,1,0,,,", "a__b.dcm,1,0,,,")
    cases, rejected = load(tmp_path, *rows)
    assert rejected.empty and cases["case_id"].nunique() == 3
