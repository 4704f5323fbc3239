import numpy as np
import pydicom
import pytest

from rds_tf.dicom import header, radiograph


def read(**tags):
    dataset = pydicom.Dataset()
    with pydicom.config.disable_value_validation():
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    return header.list_failures(dataset)


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"BodyPartExamined": "HAND"}, "body part: HAND, no chest."),
        ({"BodyPartExamined": "Left hip"}, "body part: HIP, no chest."),
        ({"ViewPosition": "LL"}, "view: view LL, a lateral one."),
        ({"ViewPosition": "Lateral"}, "view: view LATERAL, a lateral one."),
        ({"PatientSpeciesDescription": "Canine"}, "species: CANINE, no human."),
        ({"PatientAge": "054Y"}, "age: 54 years, no infant."),
        ({"PatientAge": "099Y"}, "age: 90 years or more, no infant."),
        (
            {"PatientBirthDate": "19700601", "StudyDate": "20240531"},
            "age: 53 years, no infant.",
        ),
    ],
)
def test_a_header_that_says_another_picture_fails_one_check_and_is_quoted(tags, said):
    ((name, sentence),) = read(**tags).items()
    assert sentence.startswith("The header says ")
    assert f"{name}: {sentence.removeprefix('The header says ')}" == said


def test_values_of_the_detector_are_no_picture_for_readers():
    for tags in (
        {"PresentationIntentType": "FOR PROCESSING"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},  # DX, for processing
    ):
        ((name, sentence),) = read(**tags).items()
        assert name == "for processing" and "FOR PROCESSING" in sentence
    assert read(PresentationIntentType="FOR PRESENTATION") == {}
    assert read(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1") == {}


@pytest.mark.parametrize(
    ("tags", "ratio"),
    [
        ({}, 1),
        ({"PixelSpacing": [0.2, 0.1]}, 2),
        ({"PixelAspectRatio": [1, 2]}, 0.5),
        ({"ImagerPixelSpacing": [0.1, 0.1], "PixelAspectRatio": [1, 2]}, 1),
        ({"PixelAspectRatio": [0, 1]}, 1),
    ],
)
def test_a_pixels_ratio_is_its_height_by_its_width(tags, ratio):
    dataset = pydicom.Dataset()
    for keyword, lengths in tags.items():
        setattr(dataset, keyword, lengths)
    assert header.find_pixel_ratio(dataset) == ratio
    assert header.list_failures(dataset) == {}


def test_pixels_of_a_shape_that_no_detector_has_are_a_slip():
    ((name, sentence),) = read(PixelAspectRatio=[1000, 1]).items()
    assert name == "pixel shape" and "1e+03 times as high as wide" in sentence


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"BodyPartExamined": "CHEST", "ViewPosition": "AP", "PatientAge": "003D"},
        {"BodyPartExamined": "CHEST ABDOMEN"},
        {"BodyPartExamined": "BABYGRAM"},
        {"ViewPosition": "LLD"},  # lying on the left side, seen from the front
        {"PatientSpeciesDescription": "Homo sapiens"},
        {"PatientBirthDate": "20240230", "StudyDate": "20240531"},
        {"PatientBirthDate": "19000101", "StudyDate": "20190416"},  # a stand-in
        {"PatientAge": "015Y", "PatientBirthDate": "19000101"},
    ],
)
def test_a_header_of_a_childs_chest_raises_no_doubt(tags):
    assert read(**tags) == {}


@pytest.mark.parametrize(
    "tags",
    [
        {"BodyPartExamined": "HAND KIM", "ViewPosition": "LATERAL KIM"},
        {"PatientSpeciesDescription": "KIM DOG"},
    ],
)
def test_what_else_stands_in_the_place_of_a_code_is_not_quoted(tags):
    sentences = read(**tags)
    assert sentences and "KIM" not in str(sentences)


@pytest.mark.parametrize(
    ("age", "years"),
    [("400D", 1), ("051W", 0), ("024M", 2), ("54", None), ("999Y", None), ("", None)],
)
def test_an_age_is_told_in_whole_years(age, years):
    dataset = pydicom.Dataset()
    with pydicom.config.disable_value_validation():
        dataset.PatientAge = age
    assert header.find_age_years(dataset) == years


def test_a_declared_annotation_is_told_and_a_denied_one_is_not():
    for said, warnings in (("YES", [header.BURNED_IN]), ("NO", [])):
        dataset = pydicom.Dataset()
        dataset.BurnedInAnnotation = said
        assert header.list_warnings(dataset) == warnings
        assert header.list_failures(dataset) == {}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.3, 0.3]}, (0.3, 0.3)),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.2, 0.2]}, (0.1, 0.1)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2)),
        ({"PixelSpacing": [0.2]}, None),
        ({"PixelSpacing": [-1, 1]}, None),
        ({}, None),
    ],
)
def test_a_pixel_has_the_calibrated_length_before_the_detectors(tags, expected):
    dataset = pydicom.Dataset()
    for keyword, lengths in tags.items():
        setattr(dataset, keyword, lengths)
    assert header.find_pixel_mm(dataset) == expected


def test_a_film_whose_ruler_is_no_number_is_read_without_it(write_dicom, tmp_path):
    stored = np.array([[0, 255], [100, 200]], "uint8")
    path = write_dicom(tmp_path / "a.dcm", stored, PixelSpacing=[0.25, 0.25])
    assert radiograph.read_radiograph(path).pixel_mm == (0.25, 0.25)
    spoiled = path.read_bytes().replace(b"0.25\\0.25", b"0.2x\\0.2y")
    assert spoiled != path.read_bytes()
    path.write_bytes(spoiled)
    film = radiograph.read_radiograph(path)
    assert film.pixel_mm is None and film.image.shape == (2, 2)


def test_a_film_carries_the_doubts_of_its_header(write_dicom, tmp_path):
    tags = {"BodyPartExamined": "KNEE", "PatientAge": "040Y"}
    stored = np.array([[0, 255], [100, 200]], "uint8")
    path = write_dicom(tmp_path / "a.dcm", stored, **tags)
    failed = radiograph.read_radiograph(path).header_failures
    assert "KNEE" in failed["body part"] and "40 years" in failed["age"]
