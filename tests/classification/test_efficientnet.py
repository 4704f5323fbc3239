import keras
import numpy as np
import pytest

from rds_tf.classification import classifier_training, efficientnet


def images(count=2):
    return np.random.default_rng(1).random((count, 64, 64, 1), dtype=np.float32)


def weights_of(model):
    return [weight.numpy() for weight in model.weights]


@pytest.fixture(scope="module")
def application():
    """The keras.applications B0 with random weights, as a stand-in for ImageNet's."""
    keras.utils.set_random_seed(8)
    model = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    random = np.random.default_rng(8)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(random.uniform(0.5, 1.5, (4, *layer.gamma.shape)))
    return model


@pytest.fixture
def two_conv_backbone(monkeypatch):
    """Replace EfficientNet by one small convolution: what follows it is tested."""

    def build_features(backbone, inputs):
        return keras.layers.Conv2D(2, 3)(inputs)

    monkeypatch.setattr(efficientnet, "_build_features", build_features)


@pytest.fixture
def no_network(monkeypatch):
    def fetch(**_):
        raise Exception("URL fetch failure on https://weights: no such host")

    monkeypatch.setattr(keras.applications, "EfficientNetB0", fetch)


def test_gives_one_probability_an_image(classifier):
    probability = classifier(images()).numpy()
    assert probability.shape == (2, 1)
    assert probability.dtype == np.float32
    assert (0 < probability).all() and (probability < 1).all()


def test_probability_is_the_sigmoid_of_logit(classifier):
    logit = keras.Model(classifier.inputs, classifier.get_layer("logit").output)
    expected = 1 / (1 + np.exp(-logit([images()]).numpy()))
    np.testing.assert_allclose(classifier(images()).numpy(), expected, atol=1e-6)


def test_is_flat_and_free_of_lambda(classifier):
    kinds = {type(layer) for layer in classifier.layers}
    assert not any(issubclass(kind, keras.Model) for kind in kinds)
    assert keras.layers.Lambda not in kinds


def test_rebuilds_from_its_config(classifier):
    rebuilt = keras.Model.from_config(classifier.get_config())
    rebuilt.set_weights(classifier.get_weights())
    np.testing.assert_array_equal(rebuilt(images()), classifier(images()))


def test_equals_keras_applications_on_input_normalised_by_hand(
    restored_classifier, application
):
    model = restored_classifier
    assert efficientnet.copy_features(application, model) == 130
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    # The stand-in divides by 255 and, untrained, subtracts and divides by nothing.
    normalized = (np.repeat(images(), 3, axis=-1) - mean) / std
    expected = application(255 * normalized.astype(np.float32)).numpy()
    features = keras.Model(model.inputs, model.get_layer("top_activation").output)
    received = features([images()]).numpy()
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(received, expected, atol=1e-4)


def test_refuses_weights_of_another_network_and_keeps_its_own(restored_classifier):
    inputs = keras.Input((64, 64, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(8, 3, name="stem_conv")(inputs))
    before = weights_of(restored_classifier)
    with pytest.raises(ValueError, match="130 layers that differ, first 'block1a_bn'"):
        efficientnet.copy_features(other, restored_classifier)
    for old, new in zip(before, weights_of(restored_classifier), strict=True):
        np.testing.assert_array_equal(old, new)


def test_starts_from_imagenet_when_it_can_be_fetched(
    restored_classifier, application, monkeypatch
):
    fetched = []

    def fetch(**arguments):
        fetched.append(arguments)
        return application

    monkeypatch.setattr(keras.applications, "EfficientNetB0", fetch)
    start = efficientnet.load_start(restored_classifier, "B0")
    assert start == ("imagenet", "")
    assert fetched == [{"include_top": False, "weights": "imagenet"}]
    np.testing.assert_array_equal(
        restored_classifier.get_layer("top_conv").kernel.numpy(),
        application.get_layer("top_conv").kernel.numpy(),
    )


def test_says_why_it_starts_from_scratch_without_network(classifier, no_network):
    before = weights_of(classifier)
    start, warning = efficientnet.load_start(classifier, "B0")
    assert start == "scratch"
    assert warning == (
        "ImageNet weights could not be fetched (URL fetch failure on "
        "https://weights: no such host)"
    )
    for old, new in zip(before, weights_of(classifier), strict=True):
        np.testing.assert_array_equal(old, new)


def test_raises_when_imagenet_was_asked_for_by_name(two_conv_backbone, no_network):
    architecture = {"backbone": "B0", "image_size": 64}
    model = efficientnet.build_classifier(**architecture)
    with pytest.raises(ValueError, match="no such host"):
        classifier_training.load_start(model, architecture, "imagenet")


def test_ends_in_float32_under_mixed_precision(two_conv_backbone):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = efficientnet.build_classifier("B0", 64)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.get_layer("pool").compute_dtype == "float16"
    assert model.get_layer("logit").compute_dtype == "float32"
    assert model(images()).numpy().dtype == np.float32


def test_refuses_an_unknown_backbone():
    with pytest.raises(ValueError, match="one of Lite0, B0, B3, B5. Received: 'B9'"):
        efficientnet.build_classifier("B9")


def test_a_builder_copies_an_architecture_that_it_has_built_before(monkeypatch):
    asked = []

    def build(units):
        asked.append(units)
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.Dense(units, name="logit")(inputs))

    monkeypatch.setattr(efficientnet, "build_classifier", build)
    make = efficientnet.make_builder()
    first, second, other = make(units=2), make(units=2), make(units=1)
    assert asked == [2, 1] and other.output_shape == (None, 1)
    before = weights_of(first)
    second.set_weights([np.ones((3, 2)), np.zeros(2)])
    assert all((a == b).all() for a, b in zip(before, weights_of(first), strict=True))
    assert second(np.ones((1, 3))).numpy().tolist() == [[3, 3]]
    lend = efficientnet.make_builder(lend=True)
    assert lend(units=2) is lend(units=2) is not lend(units=1)
