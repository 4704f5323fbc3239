import numpy as np
import pandas as pd
import pydicom
import pytest
from sklearn import metrics as oracle

from rds_phantoms import dataset, devices, disease, phantom
from rds_tf.data import annotation, cohort, prepare
from rds_tf.dicom import burned_in_text, radiograph


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
    # On films this small a marker beside an electrode may pass for a line of text.
    odd = notes[notes != ""]
    assert set(odd) <= {burned_in_text.WARNING} and len(odd) <= 2


def test_the_truth_says_of_every_film_what_the_phantom_knows(written):
    folder, truth = written
    kept = pd.read_csv(folder / "truth.csv", keep_default_na=False)
    assert list(kept.columns) == list(truth.columns)
    assert {*devices.DEVICES, *disease.FINDINGS} < {*kept.columns}
    cases = dataset.draw_cases(24, 7, 0.5, 96)[::3]
    for case, row in zip(cases, kept[::3].itertuples(), strict=True):
        made = dataset.render_case(case)
        assert row.severity == pytest.approx(made.severity, abs=5e-4)
        assert row.grade == made.grade and row.text == " ".join(made.text)
        assert row.weeks == pytest.approx(made.weeks, abs=0.06)
        assert row.area_mm2 == pytest.approx(made.area_mm2, abs=0.06)
        at = [row.carina_x, row.carina_y]
        np.testing.assert_allclose(at, made.carina, atol=0.06)
        tip = made.device_tips.get("ett")
        assert (row.tube_tip_x == "") == (tip is None) == (row.ett == 0)
        if tip is not None:
            at = [float(row.tube_tip_x), float(row.tube_tip_y)]
            np.testing.assert_allclose(at, tip, atol=0.06)


def test_a_dicom_has_the_spacing_and_the_infants_side_of_a_real_one(written):
    folder, truth = written
    for row in truth.itertuples():
        head = pydicom.dcmread(folder / "dicom" / f"{row.case_id}.dcm")
        assert head.PixelSpacingCalibrationType == "GEOMETRY"
        spacing = [row.spacing_mm] * 2
        np.testing.assert_allclose(head.PixelSpacing, spacing, atol=6e-5)
        assert (head.Modality, head.ViewPosition) == ("DX", "AP")


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


def test_infants_are_as_old_as_those_in_intensive_care_and_ill_as_drawn():
    cases = dataset.draw_cases(2000, 1, 0.5, 64)
    weeks = np.array([one.weeks for one in cases])
    assert weeks.min() >= 24 and weeks.max() <= 52
    # Of 15 in 100 older than a newborn, the others 33 weeks on average.
    assert (weeks > 41).mean() == pytest.approx(0.15, abs=0.04)
    assert np.median(weeks[weeks < 41]) == pytest.approx(33, abs=0.6)
    has_rds = np.array([c.severity >= phantom.RDS_SEVERITY for c in cases])
    found = [name for one in cases for name in one.findings]
    assert set(found) == set(disease.FINDINGS)
    cleared = [c.severity for c in cases if "after_surfactant" in c.findings]
    assert min(cleared) >= phantom.RDS_SEVERITY
    other = np.array([bool(one.findings) for one in cases])
    # 1 less the product of the chances of none: 0.28 with RDS and 0.35 without.
    assert other[has_rds].mean() == pytest.approx(0.28, abs=0.05)
    assert other[~has_rds].mean() == pytest.approx(0.35, abs=0.05)


def test_a_cohort_can_be_of_chosen_ages():
    cases = dataset.draw_cases(300, 1, 0.5, 64, (26.0, 30.0))
    weeks = np.array([one.weeks for one in cases])
    # Even in the logarithm: half lie below the root of 26 * 30 = 27.93.
    assert 26 <= weeks.min() < 26.2 and 29.8 < weeks.max() <= 30
    assert np.median(weeks) == pytest.approx(27.93, abs=0.35)


def test_how_deep_an_infant_breathes_hardly_tells_whether_it_has_rds():
    cases = dataset.draw_cases(4000, 1, 0.5, 64)
    has_rds = np.array([c.severity >= phantom.RDS_SEVERITY for c in cases])
    breath = np.array([one.breath for one in cases])
    # Means of severity 0.6 and 0.067 lie 0.16 deviations apart: AUROC
    # Phi(0.16 / sqrt(2)) = 0.545, of a standard error of 0.009.
    auroc = oracle.roc_auc_score(~has_rds, breath)
    assert auroc == pytest.approx(0.545, abs=0.027)


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
