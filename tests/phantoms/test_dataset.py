import numpy as np
import pandas as pd
import pydicom
import pytest

from rds_phantoms import dataset, phantom
from rds_tf.data import annotation, cohort, prepare
from rds_tf.dicom import radiograph


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    truth = dataset.write_cohort(folder, num_cases=24, seed=7, longest_px=96)
    return folder, truth


def test_the_table_has_the_columns_of_the_study(written):
    folder, _ = written
    table = pd.read_csv(folder / "cohort.csv")
    assert list(table.columns) == [*cohort.STUDY_COLUMNS, "patient_id"]
    assert len(table) == 24
    assert table["filepath"].str.startswith("C:\\dataset\\").all()


def test_every_row_passes_the_checks_of_a_real_cohort(written, tmp_path):
    folder, _ = written
    summary = prepare.prepare(folder / "cohort.csv", tmp_path, folder)
    table = pd.read_csv(folder / "cohort.csv")
    assert summary.num_images == 24 and summary.num_rejected == 0
    assert summary.num_masks == table["exist_json"].sum()
    notes = pd.read_csv(tmp_path / "manifest.csv", keep_default_na=False)["notes"]
    assert (notes == "").all()


def test_a_dicom_reads_back_as_the_phantom_that_was_drawn(written):
    folder, truth = written
    cases = dataset.draw_cases(24, 7, 0.5, 96)
    for case in cases[:8]:
        made = dataset.render_case(case)
        path = folder / "dicom" / f"case{case.index:04d}.dcm"
        image = radiograph.read_image(path)
        half_a_grey_value = 0.51 / (2**case.bits_stored - 1)
        np.testing.assert_allclose(image, made.image, atol=half_a_grey_value)


def test_both_photometric_interpretations_and_several_depths_occur(written):
    folder, _ = written
    heads = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in sorted((folder / "dicom").glob("*.dcm"))
    ]
    assert {head.PhotometricInterpretation for head in heads} == {
        "MONOCHROME1",
        "MONOCHROME2",
    }
    assert {head.BitsStored for head in heads} >= {8, 12, 16}


def test_the_outline_in_json_has_the_area_of_the_table(written):
    folder, _ = written
    table = pd.read_csv(folder / "cohort.csv")
    row = table[table["exist_json"] == 1].iloc[0]
    name = row["filepath"].rsplit("\\", 1)[1].replace(".dcm", ".json")
    polygons = annotation.read_polygons(folder / "json" / name)
    assert len(polygons) == 2
    assert annotation.polygon_area(polygons) == pytest.approx(row["roi_area"], abs=0.06)


def test_severity_decides_the_label(written):
    folder, truth = written
    table = pd.read_csv(folder / "cohort.csv")
    expected = (truth["severity"] >= phantom.RDS_SEVERITY).astype(int)
    assert list(table["rds"]) == list(expected)
    assert 0 < table["rds"].sum() < 24


@pytest.mark.parametrize(("link", "with_rds", "without"), [(1.0, 1.0, 0.0)])
def test_a_full_tube_link_puts_a_tube_into_rds_and_nowhere_else(
    link, with_rds, without
):
    cases = dataset.draw_cases(60, 1, link, 64)
    has_rds = np.array([c.severity >= phantom.RDS_SEVERITY for c in cases])
    has_tube = np.array(["ett" in c.device_names for c in cases])
    assert has_tube[has_rds].mean() == with_rds
    assert has_tube[~has_rds].mean() == without


def test_without_a_link_tubes_are_as_common_on_both_sides():
    cases = dataset.draw_cases(2000, 1, 0.0, 64)
    has_rds = np.array([c.severity >= phantom.RDS_SEVERITY for c in cases])
    has_tube = np.array(["ett" in c.device_names for c in cases])
    # Two shares of about 0.5 over 1,000 cases each: standard error 0.022.
    assert abs(has_tube[has_rds].mean() - has_tube[~has_rds].mean()) < 0.09


def test_some_patients_have_two_radiographs():
    cases = dataset.draw_cases(200, 1, 0.5, 64)
    counts = pd.Series([case.patient_id for case in cases]).value_counts()
    assert set(counts) == {1, 2}


def test_arguments_out_of_range_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`num_cases` must be at least 1"):
        dataset.write_cohort(tmp_path, 0)
    with pytest.raises(ValueError, match="`tube_link` must lie in"):
        dataset.write_cohort(tmp_path, 1, tube_link=2)
    with pytest.raises(ValueError, match="`heart` must be 'in' or 'out'"):
        dataset.write_cohort(tmp_path, 1, heart="off")


def test_outlines_without_the_heart_enclose_the_mask_without_it(tmp_path):
    dataset.write_cohort(tmp_path, 6, seed=7, longest_px=96, heart="out")
    table = pd.read_csv(tmp_path / "cohort.csv")
    cases = dataset.draw_cases(6, 7, 0.5, 96)
    for case, row in zip(cases, table.itertuples(), strict=True):
        if row.exist_json:
            made = dataset.render_case(case)
            path = tmp_path / "json" / f"case{case.index:04d}.json"
            polygons = annotation.read_polygons(path)
            drawn = annotation.draw_mask(polygons, *case.shape)
            wrong = (drawn != made.mask_without_heart).sum()
            assert wrong <= 0.02 * drawn.sum()
            assert row.roi_area == pytest.approx(drawn.sum(), rel=0.05)


def test_tubes_of_an_earlier_cohort_do_not_count_for_this_one(tmp_path):
    for seed in (3, 7):
        truth = dataset.write_cohort(tmp_path, 8, seed=seed, longest_px=64)
    drawn = {path.stem for path in (tmp_path / "ett").glob("*.png")}
    assert drawn == set(truth.loc[truth["ett"] == 1, "case_id"])
