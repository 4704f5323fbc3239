"""DICOM export, judged by dciodvfy, by pydicom and by the film it came from."""

import shutil
import subprocess
from pathlib import Path

import cv2
import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import uid

import rds_tf
from rds_phantoms import dataset
from rds_tf.diagnosis import batch, diagnose, dicom_export
from rds_tf.dicom import radiograph

SEGMENTER, CLASSIFIER = "5" * 64, "c" * 64
RECORD = {
    "decision": "RDS",
    "probability": 0.71,
    "statement": "probability of RDS 0.71: RDS",
    "mask_convention": "heart in",
    "models": [
        {"name": "lung_segmenter", "trained_on": "phantoms", "sha256": SEGMENTER},
        {"name": "rds_classifier", "trained_on": "phantoms", "sha256": CLASSIFIER},
    ],
}
KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Bytes of one phantom film of 96 px that says nothing of its size."""
    folder = tmp_path_factory.mktemp("phantom")
    dataset.write_cohort(folder, num_cases=1, seed=5, longest_px=96)
    path = folder / "dicom" / "case0000.dcm"
    film = pydicom.dcmread(path)
    del film.PixelSpacing, film.PixelSpacingCalibrationType
    film.save_as(path, enforce_file_format=True)
    return path.read_bytes()


@pytest.fixture
def make_film(phantom, tmp_path):
    """Return a function: changes to the phantom's header -> path of the film."""

    def make(change=lambda film: None, **tags):
        path = tmp_path / "film.dcm"
        path.write_bytes(phantom)
        read = pydicom.dcmread(path)
        film = pydicom.Dataset({each.tag: each for each in read})
        film.file_meta = read.file_meta
        film.StudyDate, film.StudyTime = "20260701", "101500"
        film.AccessionNumber, film.StudyID = "A17", "S3"
        film.PatientBirthDate, film.PatientSex = "20260630", "F"
        for keyword, value in tags.items():
            setattr(film, keyword, value)
        change(film)
        film.save_as(path, enforce_file_format=True)
        return path

    return make


def export(path, mask=None, record=RECORD):
    """Write both objects for a film; return film, mask, picture, and both as read."""
    film = radiograph.read_radiograph(path)
    image = film.image
    if mask is None:
        mask = np.random.default_rng(0).integers(0, 2, image.shape, np.uint8)
    heat = np.float32(0.5) * mask
    found = diagnose.Diagnosis(
        *(image, mask, 0.9, heat, 0.71, "RDS", (), (0.71,)),
        pixel_ratio=film.pixel_ratio,
    )
    drawn = batch.draw_diagnosis(found)
    dicom_export.export(
        path, found, record=record, overlay=drawn, stem=path.with_name("film")
    )
    lungs, overlay = (
        pydicom.dcmread(path.with_name(f"film_{name}.dcm"))
        for name in ("lungs", "overlay")
    )
    return pydicom.dcmread(path), mask, drawn, lungs, overlay


def complaints(path: Path) -> list[str]:
    """Return what dciodvfy calls an error; its text may be of any encoding."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian: apt-get install dicom3tools)")
    said = subprocess.run(["dciodvfy", path], capture_output=True)
    lines = (said.stdout + said.stderr).decode("latin-1").splitlines()
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]


def as_big_endian(film):
    film.PixelData = film.pixel_array.astype(">u2").tobytes()
    film.BitsAllocated, film["PixelData"].VR = 16, "OW"
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian


def as_signed(film):
    values = np.linspace(-2000, 2000, film.Rows * film.Columns).astype("<i2")
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, 16, 15
    film.PixelRepresentation, film.PixelData = 1, values.tobytes()
    film["PixelData"].VR = "OW"


def as_wide(film):
    film.Rows, film.Columns = 31, 77
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = bytes(i % 251 for i in range(31 * 77)) + b"\0"
    film["PixelData"].VR = "OB"


def as_class(sop_class, modality):
    def change(film):
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = sop_class
        film.Modality = modality

    return change


def as_compressed(syntax):
    return lambda film: film.compress(syntax, generate_instance_uid=False)


FILMS = {
    "as written": {},
    "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1"},
    "16 bits, signed": {"change": as_signed},
    "not square": {"change": as_wide},
    "CR": {"change": as_class(uid.ComputedRadiographyImageStorage, "CR")},
    "Secondary Capture": {"change": as_class(uid.SecondaryCaptureImageStorage, "OT")},
    "big-endian": {"change": as_big_endian},
    "JPEG 2000": {"change": as_compressed(uid.JPEG2000Lossless)},
    "RLE": {"change": as_compressed(uid.RLELossless)},
    "spacing": {"PixelSpacing": [0.15, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"},
    "spacing, explained": {
        "PixelSpacing": [0.15, 0.2],
        "PixelSpacingCalibrationType": "FIDUCIAL",
        "PixelSpacingCalibrationDescription": "ball of 5 mm",
    },
    "spacing at the detector": {"ImagerPixelSpacing": [0.15, 0.15]},
    "no spacing worth the name": {"PixelSpacing": [0, 0]},
    "frame of reference": {"FrameOfReferenceUID": "1.2.3.9"},
    "frame of reference and spacing": {
        "FrameOfReferenceUID": "1.2.3.9",
        "PixelSpacing": [0.15, 0.2],
    },
    "which way up": {"PatientOrientation": ["L", "F"], "BurnedInAnnotation": "YES"},
    "EUC-KR": {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": KOREAN},
    "UTF-8": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": KOREAN},
    "lossy": {"LossyImageCompression": "01", "LossyImageCompressionRatio": "9.5"},
    "lossy by an unknown ratio": {"LossyImageCompression": "01"},
    "nothing known": {"PatientName": "", "PatientID": "", "AccessionNumber": None},
}


@pytest.mark.parametrize("name", FILMS)
def test_both_objects_fit_the_standard_and_their_film(make_film, name):
    path = make_film(**FILMS[name])
    film, mask, picture, lungs, overlay = export(path)
    assert complaints(path.with_name("film_lungs.dcm")) == []
    assert complaints(path.with_name("film_overlay.dcm")) == []
    assert (lungs.Rows, lungs.Columns) == (film.Rows, film.Columns) == mask.shape
    np.testing.assert_array_equal(lungs.pixel_array, mask)
    again = highdicom.seg.segread(path.with_name("film_lungs.dcm"))
    again = again.get_pixels_by_source_instance([film.SOPInstanceUID])
    np.testing.assert_array_equal(again[0, ..., 0], mask)
    np.testing.assert_array_equal(overlay.pixel_array, picture)
    assert picture.dtype == overlay.pixel_array.dtype == np.uint8
    for written in (lungs, overlay):
        for keyword in dicom_export.IDENTIFIERS:
            assert (written[keyword].value or "") == (film.get(keyword) or "")
        for keyword in ("StudyInstanceUID", "SpecificCharacterSet"):
            assert written.get(keyword) == film.get(keyword)
        assert written.get("LossyImageCompression", "00") == film.get(
            "LossyImageCompression", "00"
        )


@pytest.mark.parametrize("name", ["EUC-KR", "UTF-8"])
def test_a_korean_name_is_written_and_read_back(make_film, name):
    *_, lungs, overlay = export(make_film(**FILMS[name]))
    assert str(lungs.PatientName) == str(overlay.PatientName) == KOREAN


def test_bytes_of_a_name_in_a_character_set_that_is_none_stay_as_they_are(make_film):
    name = "홍길동".encode("euc-kr")
    placeholder = "X" * len(name)  # `ISO_IR 149` is often written and no defined term
    path = make_film(PatientName=placeholder, SpecificCharacterSet="ISO_IR 100")
    content = path.read_bytes().replace(placeholder.encode(), name)
    path.write_bytes(content.replace(b"ISO_IR 100", b"ISO_IR 149"))
    image = radiograph.read_radiograph(path).image
    found = diagnose.Diagnosis(image, image > 0.5, 1, image, 0.5, "RDS", (), ())
    written = {"record": RECORD, "overlay": batch.draw_diagnosis(found)}
    dicom_export.export(path, found, **written, stem=path.with_name("film"))
    for kind in ("lungs", "overlay"):
        written = path.with_name(f"film_{kind}.dcm").read_bytes()
        assert name in written and b"ISO_IR 149" in written


def test_highdicom_reads_the_lungs_with_their_meaning_model_and_hash(make_film):
    path = make_film()
    export(path)
    read = highdicom.seg.segread(path.with_name("film_lungs.dcm"))
    assert read.segmentation_type.value == "BINARY"
    (segment,) = read.SegmentSequence
    # SNOMED CT: 39607008 |Lung structure|, 91723000 |Anatomical structure|
    assert segment.segmented_property_type.value == "39607008"
    assert segment.segmented_property_category.value == "91723000"
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmName == "rds_tf lung_segmenter"
    assert algorithm.AlgorithmVersion == rds_tf.__version__
    assert f"weights_sha256={SEGMENTER}" in algorithm.AlgorithmParameters
    assert read.DeviceSerialNumber == SEGMENTER


def test_both_say_what_they_are_and_which_film_they_were_made_from(make_film):
    film, *_, lungs, overlay = export(make_film())
    for written in (lungs, overlay):
        assert "Research only, not for clinical use" in written.SeriesDescription
        assert len(written.SeriesDescription) <= 64
        (source,) = written.SourceImageSequence
        assert source.ReferencedSOPInstanceUID == film.SOPInstanceUID
        assert source.ReferencedSOPClassUID == film.SOPClassUID
        assert written.SOPInstanceUID != film.SOPInstanceUID
        assert written.SeriesInstanceUID != film.SeriesInstanceUID
    (series,) = lungs.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == film.SeriesInstanceUID
    said = overlay.ImageComments
    assert "Not for clinical use" in said and "probability of RDS 0.71: RDS. " in said
    assert f"rds_classifier, trained on phantoms, weights SHA-256 {CLASSIFIER}" in said
    assert lungs.SeriesInstanceUID != overlay.SeriesInstanceUID
    assert (lungs.SeriesNumber, overlay.SeriesNumber) == (9801, 9802)


def test_millimetres_follow_the_picture_to_its_size(make_film):
    path = make_film(as_wide, PixelSpacing=[0.42, 0.21])
    *_, picture, lungs, overlay = export(path)
    assert picture.shape[1] == 7 * 77  # the first multiple of 77 from 512 on
    assert picture.shape[0] > 7 * 62  # of 31 rows, each drawn twice, and the caption
    assert list(overlay.PixelSpacing) == pytest.approx([0.03, 0.03])
    assert list(lungs.PixelSpacing) == [0.42, 0.21]  # the film's own pixels
    assert "ImagerPixelSpacing" not in overlay and "ImagerPixelSpacing" not in lungs


def test_spacing_at_the_detector_is_marked_as_such(make_film):
    *_, lungs, overlay = export(make_film(as_wide, ImagerPixelSpacing=[0.7, 0.7]))
    assert overlay.PixelSpacing == overlay.ImagerPixelSpacing
    assert list(overlay.PixelSpacing) == pytest.approx([0.1, 0.1])
    assert lungs.PixelSpacing == lungs.ImagerPixelSpacing == [0.7, 0.7]


def test_spacing_and_frame_of_reference_are_there_only_if_the_film_has_them(make_film):
    *_, lungs, overlay = export(make_film(PixelSpacing=[0, 0]))
    assert "PixelSpacing" not in overlay and "FrameOfReferenceUID" not in lungs
    assert "PixelSpacing" not in lungs
    *_, lungs, overlay = export(make_film(FrameOfReferenceUID="1.2.3.9"))
    assert lungs.FrameOfReferenceUID == "1.2.3.9"


def uids(objects):
    return [(written.SeriesInstanceUID, written.SOPInstanceUID) for written in objects]


def test_same_film_models_and_pixels_are_the_same_instance_and_no_others(make_film):
    path = make_film()
    _, mask, _, *first = export(path)
    _, _, _, *again = export(path)
    assert uids(first) == uids(again)
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        assert first[0][keyword] == again[0][keyword]
    other_models = [RECORD["models"][0] | {"sha256": "6" * 64}, RECORD["models"][1]]
    others = [
        export(path, 1 - mask)[3:],
        export(path, mask, RECORD | {"models": other_models})[3:],
        export(make_film(SOPInstanceUID="1.2.3.4"), mask)[3:],
    ]
    instances = [instance for pair in [first, *others] for _, instance in uids(pair)]
    assert len(set(instances)) == 8


def test_lungs_that_were_not_found_are_an_empty_segmentation(make_film):
    path = make_film()
    rows, columns = radiograph.read_radiograph(path).image.shape
    *_, lungs, _ = export(path, np.zeros((rows, columns), np.uint8))
    assert complaints(path.with_name("film_lungs.dcm")) == []
    assert lungs.pixel_array.shape == (rows, columns) and not lungs.pixel_array.any()


def test_a_name_of_a_model_that_dicom_cannot_hold_is_made_to_fit(make_film):
    odd = [RECORD["models"][0] | {"name": "모델\\a" + "x" * 80}, RECORD["models"][1]]
    path = make_film()
    *_, lungs, _ = export(path, record=RECORD | {"models": odd})
    assert lungs.ManufacturerModelName == ("rds_tf ??/a" + "x" * 80)[:64]
    assert complaints(path.with_name("film_lungs.dcm")) == []
    assert complaints(path.with_name("film_overlay.dcm")) == []


@pytest.mark.parametrize(
    ("tags", "cause"),
    [
        ({"StudyInstanceUID": ""}, "its StudyInstanceUID is missing or is no UID"),
        ({"SOPInstanceUID": "1.2.03"}, "its SOPInstanceUID is missing or is no UID"),
        (
            {"change": lambda film: film.pop("SeriesInstanceUID")},
            "its SeriesInstanceUID is missing or is no UID",
        ),
        (
            {"change": as_class(uid.EnhancedXAImageStorage, "DX")},
            "its class is Enhanced XA Image Storage",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # as the test writes it
def test_a_film_that_cannot_be_referred_to_is_refused_and_nothing_written(
    make_film, tags, cause
):
    path = make_film(**tags)
    with pytest.raises(
        dicom_export.ExportError,
        match=f"^No DICOM is written for film.dcm: {cause}.$",
    ):
        export(path)
    assert [each.name for each in path.parent.iterdir()] == ["film.dcm"]


def test_a_picture_is_refused_because_it_belongs_to_no_study(tmp_path):
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), np.eye(40, dtype="uint8") * 255)
    with pytest.raises(dicom_export.ExportError, match="film.png: a picture names"):
        export(path)


def test_lungs_of_another_size_than_the_header_are_refused(make_film):
    path = make_film()
    image = np.zeros((8, 9), "float32")
    found = diagnose.Diagnosis(image, image, 1, image, 0.5, "RDS", (), ())
    with pytest.raises(dicom_export.ExportError, match="not of the size"):
        written = {"record": RECORD, "overlay": batch.draw_diagnosis(found)}
        dicom_export.export(path, found, **written, stem=path)
