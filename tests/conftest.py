"""Fixtures of more than one room: a prepared cohort, models, DICOM files."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

from rds_phantoms import dataset
from rds_tf.data import prepare
from rds_tf.storage import model_store

REAL = Path(__file__).parents[1] / "../shared/real"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    dataset.write_cohort(folder / "cohort", num_cases=30, seed=3, longest_px=64)
    prepare.prepare(folder / "cohort" / "cohort.csv", folder / "out", folder / "cohort")
    return folder / "out"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained networks of the smallest size, stored like the shipped ones."""
    from rds_tf.classification import efficientnet
    from rds_tf.lungs import unet

    out = tmp_path_factory.mktemp("models")
    record = {"data": "nothing", "start": "scratch", "seen": []}
    small = {"image_size": 16, "filters": 2, "depth": 1}
    manifest = {"kind": "segmenter", "architecture": small, "training": record}
    model_store.save_model(unet.build_unet(**small), out / "segmenter", manifest)
    small = {"backbone": "B0", "image_size": 32}
    manifest = {"kind": "classifier", "architecture": small, "training": record}
    manifest["input"] = "combined"
    model = efficientnet.build_classifier(**small)
    model_store.save_model(model, out / "classifier", manifest)
    return out


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


@pytest.fixture(scope="session")
def classifier():
    """B0 at 64 px whose batch normalisation is as lively as a trained one's."""
    import keras

    from rds_tf.classification import efficientnet

    keras.utils.set_random_seed(7)
    model = efficientnet.build_classifier("B0", image_size=64)
    random = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, variance = random.uniform(0.5, 1.5, (2, *shape))
            beta, mean = random.normal(0, 0.1, (2, *shape))
            layer.set_weights([gamma, beta, mean, variance])
    return model


@pytest.fixture
def restored_classifier(classifier):
    """The same model for a test that changes its weights."""
    weights = classifier.get_weights()
    yield classifier
    classifier.set_weights(weights)
