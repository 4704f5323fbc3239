"""DICOM export: one diagnosis as two DICOM objects that an archive can take.

The lungs become a binary Segmentation (PS3.3 A.51) with a pixel for every stored pixel
of the source, the overlay a Secondary Capture (PS3.3 A.8.1). Both join the source's
study; highdicom makes both and holds them to the standard.
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
from rds_tf.data import preprocessing
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import header, privacy, radiograph
from rds_tf.storage import disk

RESEARCH_ONLY = "Research only, not for clinical use"
MAKER = {"manufacturer": "rds_tf", "software_versions": rds_tf.__version__}
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
SERIES_NUMBERS = {"lungs": 9801, "overlay": 9802}  # after the series of any machine
LUNG_RGB = (0, 229, 255)  # as `overlay.OUTLINE`
CLASSES = (  # of one image each
    uid.ComputedRadiographyImageStorage,
    uid.SecondaryCaptureImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
)
# What a reference to the source needs: a value must be there.
REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Who, which study, which way up: as in the source, empty where it has none.
IDENTIFIERS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
    "PatientOrientation",
)
CALIBRATION = ("PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription")
# As in the source, or not at all.
CARRIED = (
    *("SpecificCharacterSet", "IssuerOfPatientID", "StudyDescription", *CALIBRATION),
    *("LossyImageCompression", "LossyImageCompressionRatio"),
    "LossyImageCompressionMethod",
)
# Read for one of the two objects: the overlay, then the segmentation.
OTHERS = ("BurnedInAnnotation", "FrameOfReferenceUID", "PositionReferenceIndicator")


class ExportError(errors.InputError):
    """A radiograph that no DICOM can be written for, and why."""

    def __init__(self, path: Path, cause: str):
        """Name the file and the cause."""
        super().__init__(f"No DICOM is written for {path.name}: {cause}.")


def export(
    path: Path,
    found: diagnose.Diagnosis,
    *,
    record: dict,
    overlay: np.ndarray,
    stem: Path,
) -> None:
    """Write `<stem>_lungs.dcm` and `<stem>_overlay.dcm` for one diagnosed radiograph.

    Args:
        path: the DICOM file that was diagnosed.
        found: what `diagnose.diagnose` returned for it.
        record: what `diagnose.describe` returned for it; its first model is the
            segmenter.
        overlay: uint8 RGB `(H', W', 3)`, what `batch.draw_diagnosis` returned for it:
            the image, and a caption below.
        stem: path of the two files without their endings.

    Raises:
        ExportError: if the file is not DICOM, lacks what a reference to it needs, or
            is of a class that is not one image.
        OSError: if a file cannot be written.
    """
    with privacy.record_warnings():  # `found.warnings` has what is odd in the source
        source = read_source(path)
        if found.mask.shape != (source.Rows, source.Columns):
            raise ExportError(path, "its lungs are not of the size in its header")
        outputs = {
            "lungs": _build_segmentation(source, found.mask, record),
            "overlay": _build_capture(source, overlay, found.image.shape[1], record),
        }
        for name, dataset in outputs.items():
            content = io.BytesIO()
            dataset.save_as(content, enforce_file_format=True)
            target = stem.with_name(f"{stem.name}_{name}.dcm")
            disk.write_whole(target, content.getvalue())


def read_source(path: Path) -> pydicom.Dataset:
    """Read what both objects need of a DICOM file, without its pixels.

    Returns:
        Dataset with `REFERENCES`, `Rows`, `Columns` and `Modality`; `IDENTIFIERS`,
        empty where the file has none; `CARRIED` and `OTHERS` that it has;
        `PixelSpacing` and `ImagerPixelSpacing` in millimetres, empty where unknown.

    Raises:
        ExportError: as in `export`.
    """
    read = radiograph.read_header(path)
    if read is None:
        raise ExportError(path, "a picture names no patient and no study to join")
    for keyword in REFERENCES:
        if not uid.UID(str(read.get(keyword) or "")).is_valid:
            raise ExportError(path, f"its {keyword} is missing or is no UID")
    if read.SOPClassUID not in CLASSES:
        raise ExportError(path, f"its class is {read.SOPClassUID.name}")
    source = pydicom.Dataset()
    for keyword in (*REFERENCES, *IDENTIFIERS, *CARRIED, *OTHERS):
        if read.get(keyword) is not None:
            source[keyword] = read[keyword]
        elif keyword in IDENTIFIERS:
            setattr(source, keyword, None)
    if not all(keyword in source for keyword in CALIBRATION):  # the one needs the other
        for keyword in CALIBRATION:
            source.pop(keyword, None)
    for keyword in ("Rows", "Columns", "Modality"):
        setattr(source, keyword, read.get(keyword))
    # Spacing at the detector stands in both attributes (PS3.3 10.7.1.3).
    spacings = header.find_pixel_mm(read), header.read_spacing(read, SPACINGS[1])
    for keyword, lengths in zip(SPACINGS, spacings, strict=True):
        setattr(source, keyword, lengths and list(lengths))
    return source


def _build_segmentation(
    source: pydicom.Dataset, mask: np.ndarray, record: dict
) -> highdicom.seg.Segmentation:
    """Build the Segmentation of the lungs; arguments as for `export`."""
    segmentation = highdicom.seg.Segmentation(
        source_images=[_hide_identifiers(source)],
        pixel_array=mask.astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_describe_lungs(record)],
        content_label="LUNGS",
        content_description=RESEARCH_ONLY,
        transfer_syntax_uid=uid.ExplicitVRLittleEndian,
        manufacturer_model_name=_name_algorithm(record),
        device_serial_number=record["models"][0]["sha256"],
        **_describe_series("lungs", source, mask, record),
    )
    _copy_attributes(source, segmentation)
    dimensions = uid.generate_uid(entropy_srcs=[segmentation.SOPInstanceUID])
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        segmentation[keyword][0].DimensionOrganizationUID = dimensions
    # Pixel Measures would need the thickness of a slice, which no film has.
    for keyword in SPACINGS:
        if source.get(keyword):
            setattr(segmentation, keyword, source[keyword].value)
    return segmentation


def _describe_lungs(record: dict) -> highdicom.seg.SegmentDescription:
    """Describe the one segment: what it shows, and which model drew it."""
    hashes = {"weights_sha256": record["models"][0]["sha256"]}
    lungs = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="Lungs",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Lung,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=_name_algorithm(record),
            family=codes.DCM.ArtificialIntelligence,
            version=rds_tf.__version__,
            source="rds_tf",
            parameters=hashes | {"mask_convention": record["mask_convention"]},
        ),
        display_color=highdicom.color.CIELabColor.from_rgb(*LUNG_RGB),
    )
    both = highdicom.sr.CodedConcept(*codes.SCT.RightAndLeft)
    lungs.segmented_property_type.SegmentedPropertyTypeModifierCodeSequence = [both]
    return lungs


def _name_algorithm(record: dict) -> str:
    name = f"rds_tf {record['models'][0]['name']}"
    return name.encode("ascii", "replace").decode().replace("\\", "/")[:64]  # VR LO


def _build_capture(
    source: pydicom.Dataset, overlay: np.ndarray, num_columns: int, record: dict
) -> highdicom.sc.SCImage:
    """Build the Secondary Capture of the overlay; `num_columns` are the source's."""
    capture = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=_hide_identifiers(source),
        pixel_array=overlay,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # any: `_copy_attributes` writes the source's
        transfer_syntax_uid=uid.ExplicitVRLittleEndian,
        manufacturer_model_name="rds_tf diagnose",
        **_describe_series("overlay", source, overlay, record),
    )
    _copy_attributes(source, capture)
    capture.ConversionType = "WSD"  # by a workstation
    capture.BodyPartExamined = "CHEST"  # the models take every image for one
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
    scale = num_columns / overlay.shape[1]
    for keyword in SPACINGS:
        if source.get(keyword):
            lengths = [scale * float(mm) for mm in source[keyword].value]
            if not preprocessing.is_square(lengths[0] / lengths[1]):
                lengths = [lengths[1]] * 2  # the picture was drawn with square pixels
            setattr(capture, keyword, [pydicom.valuerep.DS(mm, True) for mm in lengths])
    return capture


def _describe_series(kind: str, source, pixels: np.ndarray, record: dict) -> dict:
    """Describe a series: equal UIDs for equal source, models and pixels."""
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
    """Say which models drew the overlay, with their weights and their answer."""
    known = "{name}, trained on {trained_on}, weights SHA-256 {sha256}"
    models = "; ".join(known.format(**model) for model in record["models"])
    text = (
        f"{config.NOT_FOR_CLINICAL_USE} {record['statement'].rstrip('.')}. rds_tf "
        f"{rds_tf.__version__}. Models: {models}."
    )
    return text.encode("ascii", "replace").decode()[:10240]  # VR LT, any character set


def _hide_identifiers(source: pydicom.Dataset) -> pydicom.Dataset:
    """Copy a source without what is copied word for word, lest highdicom refuse it."""
    hidden = copy.deepcopy(source)
    for keyword in (*IDENTIFIERS, "PixelSpacing"):
        setattr(hidden, keyword, None)
    hidden.pop("SpecificCharacterSet", None)
    return hidden


def _copy_attributes(source: pydicom.Dataset, dataset: pydicom.Dataset) -> None:
    """Write into a new object what it shares with its source, word for word."""
    for keyword in (*IDENTIFIERS, *CARRIED):
        if keyword in source:
            dataset[keyword] = source[keyword]
