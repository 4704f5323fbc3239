"""A prepared phantom cohort, small enough for unit tests."""

import pytest

from rds_tf.data import prepare
from rds_tf.phantoms import dataset


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    dataset.write_cohort(folder / "cohort", num_cases=30, seed=3, longest_px=64)
    prepare.prepare(folder / "cohort" / "cohort.csv", folder / "out", folder / "cohort")
    return folder / "out"
