"""A cohort becomes images, masks and folds; bad rows are listed, good ones done."""

import importlib
import json
import shutil

import numpy as np
import PIL.Image
import pytest

from rds_phantoms import outline
from rds_tf.data import cohort, prepare
from rds_tf.parallel import local

HEADER = "filepath,rds,exist_json,roi_area,height,width"
SQUARE = np.array([[2, 1], [6, 1], [6, 4], [2, 4]], float)  # 12 px²


def draw(index):
    """Draw a film of 8 x 6 px that looks like no other."""
    return np.random.default_rng(index).integers(0, 256, (6, 8), np.uint8)


@pytest.fixture
def source(tmp_path, write_dicom):
    """Ten films of 8 x 6 px, the outline on all but the last."""
    folder = tmp_path / "source"
    (folder / "dicom").mkdir(parents=True)
    (folder / "json").mkdir()
    for index in range(10):
        write_dicom(
            folder / f"dicom/c{index}.dcm", draw(index), PatientID=str(index // 2)
        )
        json_path = folder / f"json/c{index}.json"
        outline.write_labelme(json_path, [SQUARE], 6, 8, "")
    rows = [rf"C:\data\c{i}.dcm,{i % 2},{int(i < 9)},12,6,8" for i in range(10)]
    write_table(folder, *rows)
    return folder


def write_table(folder, *rows):
    table = "\n".join([HEADER, *rows, ""])
    (folder / "cohort.csv").write_text(table, encoding="utf-8")


def run(folder, num_workers=1):
    return prepare.prepare(
        folder / "cohort.csv", folder / "out", num_workers=num_workers
    )


def read_png(path):
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


def test_whole_cohort_is_prepared(source):
    summary = run(source, num_workers=2)
    out = source / "out"
    assert (summary.num_images, summary.num_masks, summary.num_rejected) == (10, 9, 0)
    assert len(list((out / "images").glob("*.png"))) == 10
    assert len(list((out / "masks").glob("*.png"))) == 9
    assert read_png(out / "images/c3.png").tolist() == draw(3).tolist()
    mask = read_png(out / "masks/c3.png")
    assert (mask[1:4, 2:6] == 255).all() and mask.sum() == 12 * 255
    assert (out / "rejected.csv").read_text() == "file,row,reason\n"


def test_manifest_holds_the_cases_and_the_folds_part_it(source):
    audit = run(source).audit
    manifest = prepare.load_manifest(source / "out")
    assert list(manifest) == prepare.manifest.COLUMNS
    assert manifest["case_id"].tolist() == [f"c{i}" for i in range(10)]
    assert manifest["patient_id"].nunique() == 5  # the pseudonyms of the files
    assert manifest["mask"].tolist() == [f"masks/c{i}.png" for i in range(9)] + [""]
    assert manifest["roi_area"].tolist()[:9] == [12.0] * 9
    assert np.isnan(manifest["roi_area"][9])  # no outline, whatever the table says
    assert audit["num_outlined"].sum() == 9
    assert set(manifest["notes"]) == {""}
    names = []
    for fold in range(5):
        table = (source / f"out/dataset_fold_{fold}_5.csv").read_text().splitlines()
        assert table[0] == ",".join(prepare.manifest.COLUMNS)
        names += [line.split(",")[0] for line in table[1:]]
    assert sorted(names) == manifest["case_id"].tolist()
    assert audit["num_patients"].tolist() == [1] * 5
    assert audit["shared_patients"].sum() == audit["duplicates_across"].sum() == 0


def test_second_run_does_nothing_again(source):
    run(source)
    path = source / "out/images/c0.png"
    before = path.stat().st_mtime_ns, (source / "out/manifest.csv").read_bytes()
    assert run(source).num_reused == 10
    assert (
        path.stat().st_mtime_ns,
        (source / "out/manifest.csv").read_bytes(),
    ) == before


def test_changed_source_lost_image_and_broken_record_are_done_again(
    source, write_dicom
):
    run(source)
    write_dicom(source / "dicom/c0.dcm", np.full((6, 8), 77, np.uint8))
    (source / "out/images/c1.png").unlink()
    (source / "out/records/c2.json").write_text("{")
    outline.write_labelme(source / "json/c3.json", [SQUARE + 1], 6, 8, "")
    assert run(source).num_reused == 6
    assert read_png(source / "out/images/c0.png")[0, 0] == 77
    assert (source / "out/images/c1.png").is_file()
    assert json.loads((source / "out/records/c2.json").read_text())["height"] == 6
    assert read_png(source / "out/masks/c3.png")[4, 6] == 255


@pytest.mark.parametrize(
    "change",
    [
        {"image": [[]]},
        {"height": "=1"},
        {"notes": [3]},
        {"patient_id": None},
        {"thumbnail": "00"},
        None,
    ],
)
def test_record_that_somebody_changed_is_made_again(source, change):
    run(source)
    before = (source / "out/manifest.csv").read_bytes()
    path = source / "out/records/c0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | change if change else [record]))
    assert run(source).num_reused == 9
    assert (source / "out/manifest.csv").read_bytes() == before


def test_records_with_an_old_name_are_read_and_not_made_again(source, capsys):
    run(source)
    before = (source / "out/manifest.csv").read_bytes()
    for path in (source / "out/records").iterdir():
        record = json.loads(path.read_text())
        record["look"] = record.pop("thumbnail")
        path.write_text(json.dumps(record))
    capsys.readouterr()
    assert run(source).num_reused == 10
    assert (source / "out/manifest.csv").read_bytes() == before
    assert capsys.readouterr().out.count("`look` is read as `thumbnail`") == 1


def test_bad_rows_are_listed_in_order_and_good_ones_done(source):
    good = [rf"C:\data\c{i}.dcm,1,1,,," for i in (0, 1)]
    (source / "dicom/c2.dcm").write_bytes((source / "dicom/c2.dcm").read_bytes()[:-9])
    (source / "json/c3.json").write_text("{")
    (source / "other").mkdir()
    (source / "other/c4.dcm").touch()
    (source / "json/c6.json").unlink()
    outline.write_labelme(source / "json/c7.json", [SQUARE], 60, 80, "")
    bad = {
        "gone.dcm,1,1,,,": "No file gone.dcm",
        r"C:\data\c2.dcm,1,1,,,": "Cannot read c2.dcm",
        r"C:\data\c3.dcm,1,1,,,": "c3.json is not LabelMe JSON",
        r"C:\data\c4.dcm,1,1,,,": "ambiguous: dicom/c4.dcm or other/c4.dcm",
        r"C:\data\c5.dcm,RDS,1,,,": 'The rds is "RDS"',
        r"C:\data\c6.dcm,1,1,,,": "No file c6.json",
        r"C:\data\c7.dcm,1,1,,,": "drawn on a 80 x 60 image",
        r"..\c8.dcm,1,1,,,": '".."',
        r"C:\DATA\c0.dcm,1,1,,,": "already in row 2",
    }
    write_table(source, good[0], *bad, good[1])
    summary = run(source, num_workers=2)
    assert prepare.load_manifest(source / "out")["case_id"].tolist() == ["c0", "c1"]
    assert (summary.num_images, summary.num_rejected) == (2, len(bad))
    lines = (source / "out/rejected.csv").read_text(encoding="utf-8").splitlines()[1:]
    for number, (line, row) in enumerate(zip(lines, bad, strict=True), start=3):
        assert line.startswith(f"{row.split(',')[0]},{number},")
        assert bad[row] in line.replace('""', '"')


def test_outline_that_draws_nothing_is_rejected_and_one_drawn_twice_noted(source):
    outside = np.array([[8.1, 1], [8.4, 1], [8.4, 3]])
    outline.write_labelme(source / "json/c0.json", [outside], 6, 8, "")
    twice = [np.array([[0, 0], [8, 0], [8, 6], [0, 6]], float)] * 99
    outline.write_labelme(source / "json/c2.json", twice, 6, 8, "")
    write_table(source, *(f"c{i}.dcm,{i % 2},1,,," for i in range(4)))
    assert run(source).num_rejected == 1
    reasons = (source / "out/rejected.csv").read_text()
    assert "c0.json: it encloses no pixel of the image" in reasons
    notes = prepare.load_manifest(source / "out")["notes"].tolist()
    assert "encloses 4752 px² but draws 48" in notes[1]
    assert "encloses" not in notes[0]


def test_list_of_rejected_rows_is_safe_to_open_in_a_spreadsheet(source):
    write_table(source, "c0.dcm,1,1,,,", "\"=cmd|' /C calc'!A0\",1,0,,,")
    assert run(source).num_rejected == 1
    (_, line) = (source / "out/rejected.csv").read_text().splitlines()
    assert line.startswith("'=cmd|")


def test_table_that_disagrees_with_its_files_is_noted(source):
    write_table(source, "c0.dcm,1,1,12.1,6,8", "c1.dcm,0,1,13,6,8", "c2.dcm,0,0,5,60,8")
    run(source)
    manifest = prepare.load_manifest(source / "out")
    few = "Only 2 of 5 folds hold cases"
    assert manifest["notes"].tolist() == [
        few,  # 0.8 % off
        f"roi_area is 13 in the table, 12 drawn; {few}",
        f"height is 60 in the table, 6 here; {few}",
    ]
    assert manifest["roi_area"].tolist()[:2] == [12, 12]
    assert manifest["height"].tolist() == [6, 6, 6]


def test_films_of_12_bits_make_pngs_of_16(source, write_dicom):
    film = np.array([[0, 819, 4095]], np.uint16)
    write_dicom(source / "dicom/c0.dcm", film, BitsStored=12)
    write_table(source, "c0.dcm,1,0,,,")
    run(source)
    assert read_png(source / "out/images/c0.png").tolist() == [[0, 13107, 65535]]
    assert prepare.load_manifest(source / "out")["bits_stored"].item() == 12


def test_one_film_stored_twice_is_seen_by_the_audit(source, write_dicom):
    film = np.array([[0, 51, 255]])
    write_dicom(source / "dicom/c0.dcm", film.astype(np.uint8), PatientID="x")
    write_dicom(source / "dicom/c1.dcm", (film * 257).astype(np.uint16), PatientID="y")
    write_table(source, "c0.dcm,1,0,,,", "c1.dcm,1,0,,,")
    audit = run(source).audit
    assert audit["duplicates_within"].tolist() == [1]  # in one fold, of two patients
    assert (audit["num_patients"].item(), audit["duplicates_across"].item()) == (2, 0)


def test_constant_patient_of_the_files_does_not_fill_one_fold(source, write_dicom):
    for index in range(10):
        film = np.full((6, 8), 20 * index, np.uint8)
        write_dicom(source / f"dicom/c{index}.dcm", film, PatientID="ANONYMOUS")
    assert run(source).audit["num_patients"].tolist() == [2] * 5
    notes = prepare.load_manifest(source / "out")["notes"]
    assert notes.str.contains("PatientID is ignored").all()


def test_what_was_made_of_a_case_that_left_the_table_is_deleted(source):
    run(source)
    table = (source / "cohort.csv").read_text().splitlines()
    write_table(source, *table[1:4], *table[5:])  # c3 takes back consent
    stranger = source / "out" / "images" / "notes.txt"
    stranger.write_text("mine")
    assert run(source).num_deleted == 1
    assert not [path for path in (source / "out").rglob("c3.*")]
    assert len(prepare.load_manifest(source / "out")) == 9
    assert stranger.read_text() == "mine" and run(source).num_deleted == 0


def test_two_patients_of_one_id_in_their_files_are_kept_in_one_fold(
    source, write_dicom
):
    for index in range(10):
        patient_id = "KIM" if index in (0, 9) else str(index)
        write_dicom(source / f"dicom/c{index}.dcm", draw(index), PatientID=patient_id)
    rows = [f"c{i}.dcm,{i % 2},0,,,,name{i}" for i in range(10)]
    table = "\n".join([f"{HEADER},patient_id", *rows, ""])
    (source / "cohort.csv").write_text(table)
    run(source)
    fold = prepare.load_manifest(source / "out").set_index("case_id")["fold"]
    assert fold["c0"] == fold["c9"]
    assert sorted(fold.value_counts()) == [2] * 5


def test_two_patients_of_one_id_in_the_table_are_kept_in_one_fold(source, write_dicom):
    for index in range(10):  # the files say nothing against it
        film = np.full((6, 8), 25 * index, np.uint8)
        write_dicom(source / f"dicom/c{index}.dcm", film)
    rows = [f"c{i}.dcm,{i % 2},0,,,,name{i % 9}" for i in range(10)]
    table = "\n".join([f"{HEADER},patient_id", *rows, ""])
    (source / "cohort.csv").write_text(table)
    run(source)
    fold = prepare.load_manifest(source / "out").set_index("case_id")["fold"]
    assert fold["c0"] == fold["c9"]


def test_fewer_workers_than_one_are_refused(source):
    with pytest.raises(ValueError, match="`num_workers` must be at least 1.*: 0"):
        run(source, num_workers=0)


def test_cohort_without_a_usable_row_is_an_error_and_still_lists_the_rows(source):
    write_table(source, "gone.dcm,1,0,,,")
    with pytest.raises(cohort.CohortError, match=r"usable: No file gone\.dcm"):
        run(source)
    assert "gone.dcm,2,No file" in (source / "out/rejected.csv").read_text()
    write_table(source)
    with pytest.raises(cohort.CohortError, match="usable: it has none"):
        run(source)


def test_folder_that_is_not_prepared_is_refused(tmp_path):
    with pytest.raises(cohort.CohortError, match="is not prepared"):
        prepare.load_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("case_id,fold\n")
    with pytest.raises(cohort.CohortError, match="has no column patient_id, rds"):
        prepare.load_manifest(tmp_path)


def test_identifiers_stay_text(source):
    for index, name in enumerate(["001", "NA"]):
        (source / f"dicom/c{index}.dcm").rename(source / f"dicom/{name}.dcm")
    write_table(source, "001.dcm,1,0,,,", "NA.dcm,1,0,,,")
    run(source)
    manifest = prepare.load_manifest(source / "out")
    assert manifest["case_id"].tolist() == ["001", "NA"]
    assert manifest["roi_area"].isna().all()


def test_real_children_are_all_prepared(real, tmp_path):
    table = real / "pediatric/cohort.csv"
    summary = prepare.prepare(table, tmp_path / "out", num_workers=2)
    assert (summary.num_images, summary.num_masks, summary.num_rejected) == (
        600,
        540,
        0,
    )
    assert summary.audit["num_cases"].tolist() == [120] * 5
    assert summary.audit["shared_patients"].sum() == 0
    assert np.ptp(summary.audit["rds_rate"]) < 0.02
    assert np.ptp(summary.audit["mean_area"]) < 2000


DEADLY = """
import os, pathlib, signal
from rds_tf.data import prepare
mark = pathlib.Path({mark!r})
def prepare_case(task):
    if task.case_id == "c3" or task.case_id == "c6" and not mark.exists():
        if task.case_id == "c6":
            mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return prepare.prepare_case(task)
"""


def test_film_that_kills_its_worker_is_the_only_one_lost_and_only_if_it_always_does(
    source, monkeypatch
):
    run(source)
    whole = {p: p.read_bytes() for p in (source / "out").rglob("*.*") if p.is_file()}
    shutil.rmtree(source / "out")
    mark = source / "mark"
    (source / "deadly_films.py").write_text(DEADLY.format(mark=str(mark)))
    monkeypatch.syspath_prepend(source)
    with monkeypatch.context() as patch:
        deadly = importlib.import_module("deadly_films")
        patch.setattr(prepare, "prepare_case", deadly.prepare_case)
        summary = run(source, num_workers=2)
    assert mark.exists() and summary.num_images == 9
    rejected = (source / "out/rejected.csv").read_text().splitlines()[1:]
    assert rejected == [rf'C:\data\c3.dcm,5,"{local.WORKER_DIED}"']
    run(source)  # with a decoder that does not crash
    assert {path: path.read_bytes() for path in whole} == whole
