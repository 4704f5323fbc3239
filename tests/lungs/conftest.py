"""Segmenters small enough for unit tests."""

import numpy as np
import pytest

from rds_tf.lungs import unet


class Dark:
    """A stand-in for a network: what is dark is lung, what is black is not."""

    input_shape = (None, 64, 64, 1)

    def predict_on_batch(self, batch):
        return ((batch > 0.25) & (batch < 0.69)).astype("float32")


@pytest.fixture
def dark():
    return Dark()


@pytest.fixture
def film():
    image = np.full((90, 120), 0.9, "float32")
    image[:3] = image[36:52, 56:64] = 0.01
    for row in range(20, 70):
        width = 10 + (row - 20) // 3
        image[row, 54 - width : 54] = 0.35
        image[row, 66 : 66 + width] = 0.35
    return image


@pytest.fixture
def tiny_unet():
    return unet.build_unet(16, filters=2, depth=1)
