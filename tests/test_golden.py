"""What the shipped models say of ten kept phantoms, in whatever versions run here."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "golden.py"
SPEC = importlib.util.spec_from_file_location("golden", SCRIPT)
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)


@pytest.fixture(scope="module")
def found():
    return golden.compare()


def test_upright_angles_stay_within_half_a_degree(found):
    assert found["angle_degrees"] <= 0.5


def test_masks_of_the_shipped_segmenter_stay(found):
    assert found["mask_iou"] >= 0.999


def test_probabilities_of_the_shipped_classifier_stay(found):
    assert found["probability"] <= 1e-3


def test_phantoms_are_drawn_as_they_were_to_one_level_of_255_on_average(found):
    assert found["film_levels"] <= 1
