"""DICOM files for tests, written by pydicom with only what a test asks for."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

REAL = Path(__file__).parents[2] / "../shared/real"


@pytest.fixture
def real():
    """The folder of real radiographs that lies beside the repository."""
    if not REAL.is_dir():
        pytest.skip("the real radiographs are not in ../shared/real")
    return REAL


@pytest.fixture
def make_dicom():
    """Return a function: stored values and header tags -> dataset."""

    def make(stored, syntax=uid.ExplicitVRLittleEndian, **tags):
        stored = np.asarray(stored)
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
        dataset.SOPInstanceUID = "1.2.3"
        dataset.Modality = "CR"
        dataset.Rows, dataset.Columns = stored.shape[:2]
        dataset.SamplesPerPixel = stored.shape[2] if stored.ndim == 3 else 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = 8 * stored.itemsize
        dataset.BitsStored = tags.get("BitsStored", dataset.BitsAllocated)
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
        dataset.PixelData = stored.tobytes() + bytes(stored.nbytes % 2)
        dataset["PixelData"].VR = "OW"
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        return dataset

    return make


@pytest.fixture
def write_dicom(make_dicom):
    """Return a function: path, stored values and header tags -> path, written."""

    def write(path, stored, **tags):
        make_dicom(stored, **tags).save_as(path, enforce_file_format=True)
        return path

    return write
