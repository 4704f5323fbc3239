"""A prepared phantom cohort, small enough for unit tests."""

import pytest

from rds_tf import store
from rds_tf.data import prepare
from rds_tf.phantoms import dataset


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    dataset.write_cohort(folder / "cohort", num_cases=30, seed=3, longest_px=64)
    prepare.prepare(folder / "cohort" / "cohort.csv", folder / "out", folder / "cohort")
    return folder / "out"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained networks of the smallest size, stored like the shipped ones."""
    from rds_tf.diagnosis import efficientnet
    from rds_tf.lungs import unet

    out = tmp_path_factory.mktemp("models")
    record = {"data": "nothing", "start": "scratch", "seen": []}
    small = {"image_size": 16, "filters": 2, "depth": 1}
    manifest = {"kind": "segmenter", "architecture": small, "training": record}
    store.save_model(unet.build_unet(**small), out / "segmenter", manifest)
    small = {"backbone": "B0", "image_size": 32}
    manifest = {"kind": "classifier", "architecture": small, "training": record}
    manifest["input"] = "combined"
    model = efficientnet.build_classifier(**small)
    store.save_model(model, out / "classifier", manifest)
    return out
