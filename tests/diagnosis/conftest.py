"""The one real EfficientNet of these tests, built once (seconds)."""

import keras
import numpy as np
import pytest

from rds_tf.diagnosis import efficientnet


@pytest.fixture(scope="session")
def classifier():
    """B0 at 64 px whose batch normalisation is as lively as a trained one's."""
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
