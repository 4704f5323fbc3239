"""Names of files: which two are the same, and what an image's annotation is called."""

import unicodedata
from pathlib import Path

IMAGE_SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg")


def annotation_places(image: Path) -> list[Path]:
    """Name the places of an image's JSON file, the likeliest first."""
    name = stem(image) + ".json"
    folder = image.parent
    return [folder / name, folder / "json" / name, folder.parent / "json" / name]


def stem(path: Path) -> str:
    """Drop the suffix, but not the last number of a name that is a UID."""
    return path.stem if path.suffix.casefold() in IMAGE_SUFFIXES else path.name


def nfc(name: str) -> str:
    """Compose letters that a Mac takes apart."""
    return unicodedata.normalize("NFC", name)


def fold(name: str) -> str:
    """Make names equal that differ in letter case or composition alone."""
    return nfc(name).casefold()
