"""Phantoms: synthetic chest radiographs of newborns with known truth.

    make_phantom            one phantom of a seed, a severity, findings, devices, ...
    make_training_phantom   one with everything drawn at random, to train a segmenter
    make_training_arrays    many of those, images and masks as two arrays
    write_cohort            a folder of DICOM files, outlines and a case table
    Phantom                 what the first two return: the image and its truth
    grade_of                the Bomsel grade, 0 to 4, of a severity

`DEVICES` and `FINDINGS` name what `make_phantom` can add, `RDS_SEVERITY` is the least
severity that counts as RDS. Needs NumPy, OpenCV, pandas, pydicom and tqdm, and nothing
of `rds_tf`. No phantom shows a patient; results on phantoms prove code, not medicine.
"""

import importlib

_HOMES = {  # imported when first used
    "DEVICES": "devices",
    "FINDINGS": "disease",
    "Phantom": "phantom",
    "RDS_SEVERITY": "phantom",
    "grade_of": "disease",
    "make_phantom": "phantom",
    "make_training_arrays": "training",
    "make_training_phantom": "training",
    "write_cohort": "dataset",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"importlib"})
