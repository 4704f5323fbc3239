"""The hand-over: one diagnosis as two DICOM objects that an archive can take.

The lungs become a binary Segmentation (PS3.3 A.51) with a pixel for every stored pixel
of the source, the overlay a Secondary Capture (PS3.3 A.8.1). Both join the source's
study; both are made by highdicom, which holds them to the standard.
"""

import copy
import hashlib
import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from pydicom import uid
from pydicom.sr.codedict import codes

import rds_tf
from rds_tf import config, errors
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import header, privacy, radiograph
from rds_tf.storage import disk

RESEARCH_ONLY = "Research only, not for clinical use"
MAKER = {"manufacturer": "rds_tf", "software_versions": rds_tf.__version__}
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
SERIES_NUMBERS = {"lungs": 9801, "overlay": 9802}  # after the series of any machine
LUNG_RGB = (0, 229, 255)  # as `overlay.OUTLINE`


def export(
    film: Path, found: diagnose.Diagnosis, record: dict, picture: np.ndarray, stem: Path
) -> None:
    """Write `<stem>_lungs.dcm` and `<stem>_overlay.dcm` for one diagnosed film.

    Args:
        film: the DICOM file that was diagnosed.
        found: what `diagnose.diagnose` returned for it.
        record: what `diagnose.describe` returned for it; its first model is the
            segmenter.
        picture: uint8 RGB `(H', W', 3)`, what `batch.draw_diagnosis` returned for it.
        stem: path of the two files without their endings.

    Raises:
        dicom_export.ExportError: if the film is a picture, lacks what a reference
            to it needs, or is of a class that is not one film.
        OSError: if a file cannot be written.
    """
    with privacy.record_warnings():  # `found.warnings` tells what is odd in the source
        source = read_source(film)
        if found.mask.shape != (source.Rows, source.Columns):
            raise ExportError(film, "its lungs are not of the size in its header")
        outputs = {
            "lungs": build_segmentation(source, found.mask, record),
            "overlay": build_capture(source, found.image.shape, picture, record),
        }
        for name, dataset in outputs.items():
            content = io.BytesIO()
            dataset.save_as(content, enforce_file_format=True)
            path = stem.with_name(f"{stem.name}_{name}.dcm")
            disk.write_whole(path, content.getvalue())


def build_segmentation(
    source: pydicom.Dataset, mask: np.ndarray, record: dict
) -> highdicom.seg.Segmentation:
    """Build the Segmentation of the lungs.

    Args:
        source: from `dicom_export.read_source`.
        mask: `(Rows, Columns)` uint8 of {0, 1}.
        record: as for `write`.
    """
    model = record["models"][0]
    name = f"rds_tf {model['name']}"
    name = name.encode("ascii", "replace").decode().replace("\\", "/")[:64]  # VR LO
    hashes = {"weights_sha256": model["sha256"]}
    lungs = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lungs",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Lung,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=name,
            family=codes.DCM.ArtificialIntelligence,
            version=rds_tf.__version__,
            source="rds_tf",
            parameters=hashes | {"mask_convention": record["mask_convention"]},
        ),
        display_color=highdicom.color.CIELabColor.from_rgb(*LUNG_RGB),
    )
    both = highdicom.sr.CodedConcept(*codes.SCT.RightAndLeft)
    lungs.segmented_property_type.SegmentedPropertyTypeModifierCodeSequence = [both]
    segmentation = highdicom.seg.Segmentation(
        source_images=[hide_identifiers(source)],
        pixel_array=mask.astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[lungs],
        content_label="LUNGS",
        content_description=RESEARCH_ONLY,
        transfer_syntax_uid=uid.ExplicitVRLittleEndian,
        manufacturer_model_name=name,
        device_serial_number=model["sha256"],
        **_describe_series("lungs", source, mask, record),
    )
    copy_attributes(source, segmentation)
    dimensions = uid.generate_uid(entropy_srcs=[segmentation.SOPInstanceUID])
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = dimensions
    segmentation.DimensionIndexSequence[0].DimensionOrganizationUID = dimensions
    # Pixel Measures would need the thickness of a slice, which a film has not.
    for keyword in SPACINGS:
        if source.get(keyword):
            setattr(segmentation, keyword, source[keyword].value)
    return segmentation


def build_capture(
    source: pydicom.Dataset,
    film_shape: tuple[int, int],
    picture: np.ndarray,
    record: dict,
) -> highdicom.sc.SCImage:
    """Build the Secondary Capture of the overlay.

    Args:
        source: from `dicom_export.read_source`.
        film_shape: rows and columns of the film.
        picture: uint8 RGB, the film as wide as the picture and a caption below.
        record: as for `write`.
    """
    capture = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=hide_identifiers(source),
        pixel_array=picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # any: `carry` writes the source's
        transfer_syntax_uid=uid.ExplicitVRLittleEndian,
        manufacturer_model_name="rds_tf diagnose",
        **_describe_series("overlay", source, picture, record),
    )
    copy_attributes(source, capture)
    capture.ConversionType = "WSD"  # by a workstation
    capture.BodyPartExamined = "CHEST"  # the models take every film for one
    capture.ImageComments = _describe_models(record)
    capture.DerivationDescription = "Lungs, heat map and caption drawn on the film"
    if "BurnedInAnnotation" in source:
        capture.BurnedInAnnotation = source.BurnedInAnnotation
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    reference.PurposeOfReferenceCodeSequence = [highdicom.sr.CodedConcept(*purpose)]
    capture.SourceImageSequence = [reference]
    scale = film_shape[1] / picture.shape[1]
    for keyword in SPACINGS:
        if source.get(keyword):
            spacing = [
                pydicom.valuerep.DS(scale * mm, True) for mm in source[keyword].value
            ]
            setattr(capture, keyword, spacing)
    return capture


def _describe_series(kind: str, source, pixels: np.ndarray, record: dict) -> dict:
    """Name series and instance: the same source, models and pixels, the same UIDs."""
    hashes = [model["sha256"] for model in record["models"]]
    names = [kind, str(source.SOPInstanceUID), rds_tf.__version__, *hashes]
    content = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
    return MAKER | {
        "series_instance_uid": uid.generate_uid(entropy_srcs=names),
        "sop_instance_uid": uid.generate_uid(entropy_srcs=[*names, content]),
        "series_number": SERIES_NUMBERS[kind],
        "instance_number": 1,
        "series_description": f"rds_tf {kind}. {RESEARCH_ONLY}",
    }


def _describe_models(record: dict) -> str:
    """Say who drew the overlay: models, their weights, what they said."""
    models = "; ".join(
        f"{model['name']}, trained on {model['trained_on']}, weights SHA-256 "
        f"{model['sha256']}"
        for model in record["models"]
    )
    text = (
        f"{config.NOT_FOR_CLINICAL_USE} {record['decision']}, probability "
        f"{record['probability']:.3f}. rds_tf {rds_tf.__version__}. Models: {models}."
    )
    return text.encode("ascii", "replace").decode()[:10240]  # VR LT, any character set


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
OTHER_ATTRIBUTES = (
    "BurnedInAnnotation",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)


class ExportError(errors.InputError):
    """A film that no DICOM can be written for, with the reason in one sentence."""

    def __init__(self, film: Path, cause: str):
        """Name the film and the cause."""
        super().__init__(f"No DICOM is written for {film.name}: {cause}.")


def read_source(film: Path) -> pydicom.Dataset:
    """Read of a DICOM film what its companions need, without its pixels.

    Args:
        film: path of a file that `radiograph.read_radiograph` accepts.

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
        raise ExportError(film, "a picture names no patient and no study to join")
    for keyword in REFERENCES:
        if not uid.UID(str(said.get(keyword) or "")).is_valid:
            raise ExportError(film, f"its {keyword} is missing or is no UID")
    if said.SOPClassUID not in CLASSES:
        raise ExportError(film, f"its class is {said.SOPClassUID.name}")
    source = pydicom.Dataset()
    for keyword in (*REFERENCES, *IDENTIFIERS, *CARRIED, *OTHER_ATTRIBUTES):
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


def copy_attributes(source: pydicom.Dataset, dataset: pydicom.Dataset) -> None:
    """Write into a new object what it shares with its source, word for word."""
    for keyword in (*IDENTIFIERS, *CARRIED):
        if keyword in source:
            dataset[keyword] = source[keyword]
