"""What a new DICOM object takes from the film that it was made from."""

import copy
from pathlib import Path

import pydicom
from pydicom import uid

from rds_tf.data import header, radiograph

CLASSES = (  # of one film each
    *(uid.ComputedRadiographyImageStorage, uid.SecondaryCaptureImageStorage),
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
)
# What a reference to the film needs: a value must be there.
REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Who, which study, which way up: as the film has them, empty where it has none.
IDENTIFIERS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
    "PatientOrientation",
)
CALIBRATION = ("PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription")
# As the film has them, or not at all.
CARRIED = (
    *("SpecificCharacterSet", "IssuerOfPatientID", "StudyDescription", *CALIBRATION),
    *("LossyImageCompression", "LossyImageCompressionRatio"),
    "LossyImageCompressionMethod",
)
# Read for one of the two objects.
OTHERS = ("BurnedInAnnotation", "FrameOfReferenceUID", "PositionReferenceIndicator")


class HandOverError(ValueError):
    """A film that no DICOM can be written for, with the reason in one sentence."""

    def __init__(self, film: Path, cause: str):
        """Name the film and the cause."""
        super().__init__(f"No DICOM is written for {film.name}: {cause}.")


def read_source(film: Path) -> pydicom.Dataset:
    """Read of a DICOM film what its companions need, without its pixels.

    Args:
        film: path of a file that `radiograph.open_radiograph` accepts.

    Returns:
        Dataset with `REFERENCES`, `Rows`, `Columns` and `Modality`; `IDENTIFIERS`,
        empty where the film has none; `CARRIED` and `OTHERS` that it has;
        `PixelSpacing` and `ImagerPixelSpacing` in millimetres, empty where unknown.

    Raises:
        HandOverError: if the film is a picture, is of a class that is not one film, or
            lacks one of `REFERENCES`.
    """
    said = radiograph.read_header(film)
    if said is None:
        raise HandOverError(film, "a picture names no patient and no study to join")
    for keyword in REFERENCES:
        if not uid.UID(str(said.get(keyword) or "")).is_valid:
            raise HandOverError(film, f"its {keyword} is missing or is no UID")
    if said.SOPClassUID not in CLASSES:
        raise HandOverError(film, f"its class is {said.SOPClassUID.name}")
    source = pydicom.Dataset()
    for keyword in (*REFERENCES, *IDENTIFIERS, *CARRIED, *OTHERS):
        if said.get(keyword) is not None:
            source[keyword] = said[keyword]
        elif keyword in IDENTIFIERS:
            setattr(source, keyword, None)
    if not all(keyword in source for keyword in CALIBRATION):  # the one needs the other
        for keyword in CALIBRATION:
            source.pop(keyword, None)
    for keyword in ("Rows", "Columns", "Modality"):
        setattr(source, keyword, said.get(keyword))
    # Spacing at the detector stands in both attributes (PS3.3 10.7.1.3).
    for keyword, lengths in (
        ("PixelSpacing", header.find_pixel_mm(said)),
        ("ImagerPixelSpacing", header.read_spacing(said, "ImagerPixelSpacing")),
    ):
        setattr(source, keyword, lengths and list(lengths))
    return source


def hide_identifiers(source: pydicom.Dataset) -> pydicom.Dataset:
    """Copy a source without what is written word for word, lest highdicom judge it."""
    hidden = copy.deepcopy(source)
    for keyword in (*IDENTIFIERS, "PixelSpacing"):
        setattr(hidden, keyword, None)
    hidden.pop("SpecificCharacterSet", None)
    return hidden


def carry(source: pydicom.Dataset, dataset: pydicom.Dataset) -> None:
    """Write into a new object what it shares with its source, word for word."""
    for keyword in (*IDENTIFIERS, *CARRIED):
        if keyword in source:
            dataset[keyword] = source[keyword]
