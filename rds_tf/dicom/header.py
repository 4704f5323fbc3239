"""Input checks of a DICOM header: is it a frontal chest radiograph of an infant?"""

import datetime
import re

import numpy as np
import pydicom
from pydicom import uid

OLDEST_YEARS = 110  # de-identification puts 1 January 1900 for a birth date
ADULT_YEARS = 16  # from here on a chest has an adult's proportions
MAX_PIXEL_RATIO = 4.0  # our choice; it also bounds the size of the image made square
BURNED_IN = "The header says that text is burned in: check it for names."
# Of the body parts of DICOM PS3.16 annex L, those that a chest film does not centre on.
ELSEWHERE = frozenset(
    "ABDOMEN ANKLE ARM BRAIN BREAST CALCANEUS CALF COCCYX CSPINE ELBOW EYE FEMUR "
    "FINGER FOOT FOREARM HAND HEAD HIP HUMERUS JAW KNEE LEG LSPINE MANDIBLE MAXILLA "
    "NECK ORBIT PELVIS SELLA SHOULDER SKULL SSPINE TEETH THIGH THUMB TIBIA TOE TSPINE "
    "WRIST ZYGOMA".split()
)
CHESTS = frozenset("BABYGRAM CHEST LUNG LUNGS RIB RIBS THORAX TRUNK WHOLEBODY".split())
LATERAL = frozenset("LAT LATERAL LL LLAT RL RLAT".split())  # not LLD: a decubitus
ANIMALS = frozenset(
    "AVIAN BOVINE CANINE CAT DOG EQUINE FELINE HORSE MOUSE PIG PORCINE RABBIT RAT "
    "SHEEP".split()
)


def list_failures(dataset: pydicom.Dataset) -> dict[str, str]:
    """Find what in a header forbids to diagnose RDS in its image.

    Only words of short lists, ages and ratios are quoted: in the place of a code a
    damaged header may hold a patient's name.

    Returns:
        The name of each check in `CHECKS` that fails, with its sentence. A missing
        attribute fails none.
    """
    said = {name: check(dataset) for name, check in CHECKS.items()}
    return {name: sentence for name, sentence in said.items() if sentence}


def check_body_part(dataset: pydicom.Dataset) -> str:
    """Say which other body part the header names, "" if none or beside the chest."""
    parts = _read_words(dataset, "BodyPartExamined")
    found = parts & ELSEWHERE if not parts & CHESTS else ()
    return f"The header says {min(found)}, no chest." if found else ""


def check_view(dataset: pydicom.Dataset) -> str:
    """Say that the header names a lateral view, "" if it does not."""
    found = _read_words(dataset, "ViewPosition") & LATERAL
    return f"The header says view {min(found)}, a lateral one." if found else ""


def check_species(dataset: pydicom.Dataset) -> str:
    """Say which animal the header names, "" if none."""
    found = _read_words(dataset, "PatientSpeciesDescription") & ANIMALS
    return f"The header says {min(found)}, no human." if found else ""


def check_age(dataset: pydicom.Dataset) -> str:
    """Say that the header tells of an adult, "" for a child or an unknown age."""
    years = find_age_years(dataset)
    if years is None or years < ADULT_YEARS:
        return ""
    # The age of the very old could identify them (HIPAA, 45 CFR 164.514).
    age = "90 years or more" if years >= 90 else f"{years} years"
    return f"The header says {age}, no infant."


def check_processing(dataset: pydicom.Dataset) -> str:
    """Say that the image is not one for readers (DICOM PS3.3 C.8.11.1, DX Series).

    "For processing" are the detector's values, before logarithm, contrast and, on many
    machines, inversion.
    """
    intent = str(dataset.get("PresentationIntentType") or "").strip().upper()
    raw = uid.DigitalXRayImageStorageForProcessing
    if intent != "FOR PROCESSING" and dataset.get("SOPClassUID") != raw:
        return ""
    return (
        "The header says FOR PROCESSING: these are values of the detector, not the "
        "picture that a reader sees."
    )


def check_pixel_shape(dataset: pydicom.Dataset) -> str:
    """Say that pixels are of a shape that no detector has, "" if they are not."""
    ratio = find_pixel_ratio(dataset)
    if 1 / MAX_PIXEL_RATIO <= ratio <= MAX_PIXEL_RATIO:
        return ""
    return (
        f"The header says that a pixel is {ratio:.2g} times as high as wide, which "
        "cannot be right."
    )


CHECKS = {  # each forbids a decision; `input_checks` holds those of the image
    "body part": check_body_part,
    "view": check_view,
    "species": check_species,
    "age": check_age,
    "for processing": check_processing,
    "pixel shape": check_pixel_shape,
}


def list_warnings(dataset: pydicom.Dataset) -> list[str]:
    """Say what in a header is worth knowing and forbids nothing."""
    declared = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    return [BURNED_IN] if declared == "YES" else []


def find_age_years(dataset: pydicom.Dataset) -> int | None:
    """Read the age at the examination in whole years, 0 to `OLDEST_YEARS`.

    From PatientAge, else from PatientBirthDate and the date of acquisition or study;
    None where the header has no credible age.
    """
    age = str(dataset.get("PatientAge") or "").strip().upper()
    if found := re.fullmatch("([0-9]{1,3})([DWMY])", age):
        days = {"D": 1, "W": 7, "M": 30.44, "Y": 365.25}[found[2]]
        years = int(int(found[1]) * days / 365.25 + 1e-6)
        return years if years <= OLDEST_YEARS else None
    born = _read_date(dataset, "PatientBirthDate")
    taken = _read_date(dataset, "AcquisitionDate") or _read_date(dataset, "StudyDate")
    if born is None or taken is None:
        return None
    years = taken.year - born.year
    years -= (taken.month, taken.day) < (born.month, born.day)
    return years if 0 <= years <= OLDEST_YEARS else None


def find_pixel_mm(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Find the distances of rows and of columns in mm.

    From PixelSpacing, else from the detector's ImagerPixelSpacing, by which a body is
    measured larger than it is; None where the header has neither.
    """
    at_patient = read_spacing(dataset, "PixelSpacing")
    return at_patient or read_spacing(dataset, "ImagerPixelSpacing")


def find_pixel_ratio(dataset: pydicom.Dataset) -> float:
    """Find how high a pixel is, as a multiple of its width; 1 where nothing says so.

    From PixelSpacing or ImagerPixelSpacing, as `find_pixel_mm`, else from
    PixelAspectRatio, which DICOM allows only where there is no spacing.
    """
    lengths = find_pixel_mm(dataset) or read_spacing(dataset, "PixelAspectRatio")
    return lengths[0] / lengths[1] if lengths else 1.0


def read_spacing(dataset: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    """Read the two lengths of one attribute, None unless both are above 0."""
    try:
        values = [float(value) for value in np.atleast_1d(dataset.get(keyword) or [])]
    except (ValueError, TypeError):  # the image is good without a length
        return None
    is_valid = len(values) == 2 and all(0 < value < np.inf for value in values)
    return tuple(values) if is_valid else None


def _read_words(dataset: pydicom.Dataset, keyword: str) -> set[str]:
    return set(re.findall("[A-Z]+", str(dataset.get(keyword) or "").upper()))


def _read_date(dataset: pydicom.Dataset, keyword: str) -> datetime.date | None:
    text = str(dataset.get(keyword) or "").strip()
    if not re.fullmatch("[0-9]{8}", text):
        return None
    try:
        return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:  # no day of any year
        return None
