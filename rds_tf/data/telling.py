"""What may be told of a file: words of its header and of errors, safe to print."""

import hashlib
import re

import pydicom


def read_code(dataset: pydicom.Dataset, keyword: str) -> str:
    """Read a code; a damaged header may hold a patient's name in its place."""
    text = str(dataset.get(keyword) or "").upper()
    return text if re.fullmatch("[A-Z0-9_ ]{0,16}", text) else "(not a code)"


def make_pseudonym(dataset: pydicom.Dataset) -> str:
    """Hash the PatientID, "" where there is none."""
    patient_id = str(dataset.get("PatientID") or "").strip()
    if not patient_id:
        return ""
    return "P" + hashlib.sha256(patient_id.encode()).hexdigest()[:8]


def tell_cause(error: Exception) -> str:
    """Say what an exception says, in one line without its full stop."""
    text = getattr(error, "strerror", None) or join_lines(error)
    return text.rstrip(".") or type(error).__name__


def join_lines(message: object) -> str:
    """Put a message into one line."""
    return " ".join(str(message).split())
