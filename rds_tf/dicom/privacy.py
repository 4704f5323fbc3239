"""De-identification: which words of headers and errors are safe to print."""

import hashlib
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom
from pydicom import datadict

# The defined terms of DICOM PS3.3 C.7.3.1.1.1 and C.7.6.3.1.2, and one misnomer, DR;
# those of the presentation LUT's shape and of the VOI LUT's function.
CODES = {
    "",
    *"AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG".split(),
    *"EOG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MG MR NM".split(),
    *"OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG".split(),
    *"RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN".split(),
    *"RTSTRUCT RWV SC SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XC DR".split(),
    *"XAPROTOCOL MONOCHROME1 MONOCHROME2 RGB HSV ARGB CMYK XYB YBR_FULL".split(),
    *("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"),
    "PALETTE COLOR",
    *("IDENTITY", "INVERSE", "LINEAR", "LINEAR_EXACT", "SIGMOID"),
}
ATTRIBUTES = {names[2] for names in datadict.DicomDictionary.values()}
# A quotation mark, but not an apostrophe within a word.
QUOTATION_MARK = r"""\bb?['"](?!\w)|(?<!\w)b?['"]"""
_filters_lock = threading.RLock()  # warning filters belong to the whole process


def read_code(dataset: pydicom.Dataset, keyword: str) -> str:
    """Read a code; a damaged header may hold a patient's name in its place."""
    text = str(dataset.get(keyword) or "").strip().upper()
    return text if text in CODES else "(not a code)"


def quote_number(value: object) -> str:
    """Quote a number of a header; anything else in its place may be a name or an id."""
    text = str(value)
    return text if re.fullmatch("-?[0-9]{1,5}", text) else "(not a small number)"


def make_pseudonym(dataset: pydicom.Dataset) -> str:
    """Hash the PatientID, "" where there is none."""
    patient_id = str(dataset.get("PatientID") or "").strip()
    digest = hashlib.sha256(patient_id.encode()).hexdigest()
    return f"P{digest[:8]}" if patient_id else ""


def describe_cause(error: Exception) -> str:
    """Return the redacted message of an exception, one line without a full stop."""
    text = getattr(error, "strerror", None) or redact(error)
    return text.rstrip(".") or type(error).__name__


def redact(message: object) -> str:
    """Put another program's message into one line, without the values it quotes.

    Decoders quote the value that they stumble over, and that may be a patient's name.
    It may hold quotation marks itself, so all from the first to the last of them goes,
    unless all that is quoted are names of DICOM's own attributes and small numbers.
    """
    text = " ".join(str(message).split())
    marks = [found.end() - 1 for found in re.finditer(QUOTATION_MARK, text)]
    quoted = [text[a + 1 : b] for a, b in zip(marks[::2], marks[1::2], strict=False)]
    if len(marks) % 2 == 0 and all(
        value in ATTRIBUTES or quote_number(value) == value for value in quoted
    ):
        return text
    rest = "" if len(marks) % 2 else text[marks[-1] + 1 :]  # no last mark: all goes
    return f"{text[: marks[0]]}(a value){rest}"


@contextmanager
def record_warnings() -> Iterator[list[Warning]]:
    """Record the warnings of this thread instead of printing them.

    `warnings.catch_warnings` alone would take those of all threads, and two at once
    would leave each other's filters behind.

    Yields:
        The warnings so far, in their order, repeated ones too.
    """
    thread, recorded = threading.get_ident(), []
    with _filters_lock, warnings.catch_warnings():
        warnings.simplefilter("always")
        show = warnings.showwarning

        def record(message, *others, **more):
            if threading.get_ident() == thread:
                recorded.append(message)
            else:
                show(message, *others, **more)

        warnings.showwarning = record
        yield recorded
