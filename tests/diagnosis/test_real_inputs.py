"""Real films beside the repository: a negative is told, a film as taken is not."""

import pytest

from rds_tf.diagnosis import input_checks
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter

EVERY = 100  # of 600 films; each is segmented twice


@pytest.fixture(scope="module")
def network():
    return segmenter.load_segmenter().model


def test_the_negatives_of_real_films_are_told_and_the_films_are_not(real, network):
    newborns = sorted((real / "newborn").glob("*.*g"))
    paths = [*sorted((real / "pediatric" / "dicom").glob("*.dcm"))[::EVERY], *newborns]
    assert len(paths) == 8
    images = [radiograph.read_image(path) for path in paths]
    steps = ("median+rotate",)
    for image in images:
        positive, negative = segmenter.segment_steps(
            network, [image, 1 - image], steps
        )[steps[0]]
        found = input_checks.Found(image, positive.mask, positive.quality)
        assert input_checks.list_failures(found) == {}
        assert input_checks.is_inverted(1 - image, positive.mask)
        found = input_checks.Found(1 - image, negative.mask, negative.quality)
        assert {"inversion", "lungs"} & input_checks.list_failures(found).keys()
