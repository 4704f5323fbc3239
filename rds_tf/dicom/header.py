"""Input checks of a DICOM header: is it a frontal chest radiograph of an infant?"""

import datetime
import re

import numpy as np
import pydicom

NOT_CHEST = "This may not be a frontal chest film: "
OLDEST_YEARS = 110  # de-identification puts 1 January 1900 for a birth date
ADULT_YEARS = 16  # from here on a chest has an adult's proportions
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


def list_warnings(dataset: pydicom.Dataset) -> list[str]:
    """Warn of what in a header contradicts a frontal chest radiograph of an infant.

    Only words of short lists and ages are quoted: in the place of a code a damaged
    header may hold a patient's name.

    Returns:
        One sentence a contradiction, each beginning with `NOT_CHEST`, and `BURNED_IN`
        where the header declares it. None for a missing attribute, nor for another
        body part named beside the chest.
    """
    parts = _read_words(dataset, "BodyPartExamined")
    causes = []
    if (found := parts & ELSEWHERE) and not parts & CHESTS:
        causes.append(f"the header says {min(found)}")
    if found := _read_words(dataset, "ViewPosition") & LATERAL:
        causes.append(f"the header says view {min(found)}, a lateral one")
    if found := _read_words(dataset, "PatientSpeciesDescription") & ANIMALS:
        causes.append(f"the header says {min(found)}, no human")
    years = find_age_years(dataset)
    if years is not None and years >= ADULT_YEARS:
        # The age of the very old could identify them (HIPAA, 45 CFR 164.514).
        age = "90 years or more" if years >= 90 else f"{years} years"
        causes.append(f"the header says {age}, no infant")
    declared = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    burned_in = [BURNED_IN] if declared == "YES" else []
    return [f"{NOT_CHEST}{cause}." for cause in causes] + burned_in


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


def read_spacing(dataset: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    """Read the two distances in mm of one attribute, None unless both are above 0."""
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
