"""One map from many models: `grad_cam.explain`, and models that share a network."""

import gc
import weakref

import keras
import numpy as np
import pytest
from tf_keras_vis import gradcam

from rds_tf.classification import efficientnet
from rds_tf.explanation import forward_pass, grad_cam, stateless, tf_keras_vis_cams
from rds_tf.storage import weights

LAYERS = keras.layers
IMAGE = np.array([[[1, 0], [0, 1]], [[0, 3], [2, 0]]], np.float32)
CORNERS = np.array([[4, 9, -4], [9, 9, 9], [0, 9, 8]], np.float32)
# The corners rectified, then resized, or the other way round.
RECTIFIED_FIRST = np.array([[4, 2, 0], [2, 3, 4], [0, 4, 8]])
RESIZED_FIRST = np.array([[4, 0, 0], [2, 2, 2], [0, 4, 8]])


def linear_model(weights, bias=0.0, size=2, strides=1, kernel=None):
    """A 1 x 1 convolution whose signed map is the weighted sum of its channels."""
    kernel = np.eye(len(weights)) if kernel is None else np.array(kernel)
    inputs = keras.Input((size, size, len(kernel)))
    conv = LAYERS.Conv2D(len(weights), 1, strides=strides, use_bias=False)
    dense = LAYERS.Dense(1, activation="sigmoid")
    features = conv(inputs)
    model = keras.Model(inputs, dense(LAYERS.GlobalAveragePooling2D()(features)))
    conv.set_weights([kernel[None, None].astype(np.float32)])
    pixels = (size // strides + size % strides) ** 2 if size else 1
    dense.set_weights([pixels * np.array(weights)[:, None], np.array([bias])])
    return model


def two_models():
    """Signed maps [[2, -1], [-3, 4]] and [[-3, 2], [6, -6]] of IMAGE."""
    return [linear_model([2, -1], 0.5), linear_model([-3, 2], -1)]


def conv_layers(seed=4):
    keras.utils.set_random_seed(seed)
    return [
        LAYERS.Conv2D(4, 3, strides=2, activation="relu", name="conv_1"),
        LAYERS.BatchNormalization(),
        LAYERS.Conv2D(3, 3, name="conv_2"),
    ]


def arrange(arrangement, layers=None):
    """Two convolutions of 12 px and a head: flat, nested or Sequential."""
    layers = layers or conv_layers()
    inputs = keras.Input((12, 12, 1))
    backbone = keras.Model(inputs, keras.Sequential(layers)(inputs))
    head = [
        LAYERS.GlobalAveragePooling2D(),
        LAYERS.Dropout(0.5),
        LAYERS.Dense(1, activation="sigmoid"),
    ]
    if arrangement == "Sequential":
        return keras.Sequential([keras.Input((12, 12, 1)), backbone, *head])
    x = inputs
    if arrangement == "nested":
        x = backbone(x, training=False)
    else:
        for layer in layers:
            x = layer(x)
    for layer in head:
        x = layer(x)
    return keras.Model(inputs, x)


def random_image(size=12):
    return np.random.default_rng(5).random((size, size), dtype=np.float32)


def reload(model, suffix, folder):
    if not suffix:
        return model
    model.save(folder / f"model{suffix}")
    return keras.models.load_model(folder / f"model{suffix}")


def close(received, expected, atol=1e-5):
    assert np.asarray(received).dtype == np.float32
    np.testing.assert_allclose(received, expected, atol=atol)


def test_signed_maps_are_averaged_before_they_are_rectified():
    found = grad_cam.explain(two_models(), IMAGE)
    # The signed mean is [[-1/2, 1/2], [3/2, -1]]. Rectified one by one, the maps
    # would give [[1, 1], [3, 2]].
    close(found.mean, [[0, 0.5], [1.5, 0]])
    close(found.counter, [[0.5, 0], [0, 1]])
    close(found.heatmap, [[0, 1 / 3], [1, 0]])
    close(found.spread, [[2.5, 1.5], [4.5, 5]])
    close(found.agreement, np.full((2, 2), 0.5))


def test_weights_in_a_shared_network_answer_as_models_of_their_own():
    weights = [2, -1], [-3, 2], [1, 5]
    models = [linear_model(each, bias) for bias, each in enumerate(weights)]
    shared, sharing = linear_model([0, 0]), []
    for model in models:
        shared.set_weights(model.get_weights())
        sharing.append(stateless.StatelessModel(shared))
    shared.set_weights([np.zeros_like(each) for each in shared.get_weights()])
    found, expected = (grad_cam.explain(each, IMAGE) for each in (sharing, models))
    for name in ("mean", "spread", "agreement", "counter", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    one = grad_cam.explain(sharing[1], IMAGE)
    np.testing.assert_array_equal(one.logits, expected.logits[1:2])


@pytest.mark.parametrize("backbone", ["B0", "B3"])
def test_stateless_weights_are_those_given_and_leave_the_network_alone(
    backbone,
):
    source, model = (
        efficientnet.build_classifier(backbone, image_size=32) for _ in range(2)
    )
    before = model.get_weights()
    loaded = stateless.StatelessModel(
        model, weights.unpack(weights.pack(source), model)
    )
    for kept, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
    model.set_weights(source.get_weights())
    for value, variable in zip(loaded.values, model.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
        assert value.dtype == variable.dtype


def test_logits_are_those_of_the_members():
    found = grad_cam.explain(two_models(), IMAGE)
    close(found.logits, [2.5, -2])


def test_other_class_swaps_map_and_counter_and_negates_the_logits():
    found = grad_cam.explain(two_models(), IMAGE, class_index=0)
    close(found.mean, [[0.5, 0], [0, 1]])
    close(found.counter, [[0, 0.5], [1.5, 0]])
    close(found.spread, [[2.5, 1.5], [4.5, 5]])
    close(found.logits, [-2.5, 2])


def test_agreement_counts_the_members_of_the_sign_of_the_mean():
    # [[2, -1], [-3, 4]], [[1, 1], [3, 2]] and [[1, 0], [0, 2]]: where the mean is 0,
    # only the member that is 0 agrees.
    members = [linear_model(weights) for weights in ([2, -1], [1, 1], [1, 0])]
    found = grad_cam.explain(members, IMAGE)
    close(found.mean, [[4 / 3, 0], [0, 8 / 3]])
    close(found.agreement, [[1, 1 / 3], [1 / 3, 1]])


def test_map_of_one_model_is_its_grad_cam():
    model = arrange("flat")
    found = grad_cam.explain(model, random_image())
    images = random_image()[None, ..., None]
    close(found.heatmap, grad_cam.grad_cam(model, images)[0], atol=1e-6)
    assert found.mean.max() > 0.01
    np.testing.assert_array_equal(found.spread, np.zeros((12, 12)))
    np.testing.assert_array_equal(found.agreement, np.ones((12, 12)))
    against = grad_cam.explain(model, random_image(), class_index=0)
    np.testing.assert_array_equal(found.counter, against.mean)


def test_equals_tf_keras_vis_on_one_network_that_averages_the_logits():
    layers = conv_layers(), conv_layers(seed=5)
    members = [arrange("flat", each) for each in layers]
    inputs = keras.Input((12, 12, 1))
    features = [keras.Sequential(each)(inputs) for each in layers]
    both = LAYERS.Concatenate(name="both")(features)
    average = LAYERS.Dense(1)
    merged = keras.Model(inputs, average(LAYERS.GlobalAveragePooling2D()(both)))
    kernels = [each.layers[-1].kernel for each in members]
    average.set_weights([np.concatenate(kernels) / 2, np.zeros(1)])
    expected = gradcam.Gradcam(merged)(
        lambda logit: logit[:, 0],
        random_image()[None, ..., None],
        penultimate_layer="both",
        seek_penultimate_conv_layer=False,
    )
    assert expected.max() > 0.99
    close(grad_cam.explain(members, random_image()).heatmap, expected[0], atol=1e-3)


def test_softmax_model_shows_each_class_by_its_own_logit():
    inputs = keras.Input((2, 2, 2))
    conv, dense = LAYERS.Conv2D(2, 1), LAYERS.Dense(2, use_bias=False)
    logits = dense(LAYERS.GlobalAveragePooling2D()(conv(inputs)))
    conv.set_weights([np.eye(2)[None, None], np.zeros(2)])
    dense.set_weights([np.array([[8, 0], [0, 4]])])
    ends = LAYERS.Softmax(), LAYERS.Activation("softmax")
    for model in (keras.Model(inputs, end(logits)) for end in ends):
        found = grad_cam.explain(model, IMAGE)
        close(found.mean, IMAGE[..., 1])
        close(found.counter, 2 * IMAGE[..., 0])
        close(found.logits, [4])


def test_map_is_rectified_at_the_size_of_the_features_then_resized():
    members = [linear_model([w], size=3, strides=2) for w in (1, 0.5)]
    close(grad_cam.explain(members, CORNERS).mean, 0.75 * RECTIFIED_FIRST)


def test_maps_of_different_size_are_resized_then_averaged_then_rectified():
    image = np.array([[4, 0, -4], [0, -3, 0], [0, 0, 8]])
    coarse = [[2, 0, -2], [1, 1, 1], [0, 2, 4]]  # half the corners, resized
    members = [linear_model([1], size=3), linear_model([0.5], size=3, strides=2)]
    found = grad_cam.explain(members, image)
    close(found.mean, [[3, 0, 0], [0.5, 0, 0.5], [0, 1, 6]])
    close(found.spread, np.abs(image - coarse) / 2)


def test_spread_and_agreement_are_those_of_the_resized_signed_maps():
    members = [linear_model([w], size=3, strides=2) for w in (1, -0.5)]
    signed = np.array([[4, 0, -4], [2, 2, 2], [0, 4, 8]])
    found = grad_cam.explain(members, CORNERS)
    close(found.spread, 0.75 * np.abs(signed))
    close(found.agreement, np.where(signed == 0, 1, 0.5))


def test_image_is_resized_to_a_model_of_fixed_size_and_the_map_back():
    found = grad_cam.explain(linear_model([1]), CORNERS)
    close(found.mean, RECTIFIED_FIRST)
    close(found.logits, [8])
    members = [linear_model([1]), linear_model([1], size=3, strides=2)]
    close(grad_cam.explain(members, CORNERS).mean, RECTIFIED_FIRST)


def test_model_of_any_size_takes_the_image_as_it_is():
    found = grad_cam.explain(linear_model([9], size=None), CORNERS)
    close(found.mean, np.maximum(CORNERS, 0))


def test_grey_image_is_repeated_for_a_model_of_three_channels():
    model = linear_model([1], kernel=[[1], [2], [3]])
    grey = IMAGE[..., 1]
    rgb = np.stack([grey] * 3, axis=-1)
    for image in (grey, grey[..., None], grey[None, ..., None], rgb, rgb[None]):
        close(grad_cam.explain(model, image).mean, 6 * grey)
    close(grad_cam.explain(model, rgb * [1, 0, 0]).mean, grey)
    mixed = grad_cam.explain([model, linear_model([2])], grey)
    close(mixed.logits, [24, 8])


@pytest.mark.parametrize("suffix", ["", ".keras", ".h5"])
@pytest.mark.parametrize("arrangement", ["flat", "nested", "Sequential"])
def test_every_arrangement_and_format_has_the_map_of_the_flat_model(
    arrangement, suffix, tmp_path
):
    flat, arranged = arrange("flat"), arrange(arrangement)
    arranged.set_weights(flat.get_weights())
    if not suffix:  # Keras does not load the unused optimizer of a nested model
        arranged.compile("adam", "binary_crossentropy")
    model = reload(arranged, suffix, tmp_path)
    expected = grad_cam.explain(flat, random_image())
    assert expected.mean.max() > 0.01
    for models in (model, [flat, model]):
        found = grad_cam.explain(models, random_image())
        close(found.mean, expected.mean)
        close(found.counter, expected.counter)
        close(found.spread, np.zeros((12, 12)))
    images = random_image()[None, ..., None]
    layer_cams = [tf_keras_vis_cams.draw("layer_cam", m, images) for m in (model, flat)]
    assert layer_cams[1].max() > 0.99
    close(*layer_cams)


def test_chosen_layer_is_found_in_every_member():
    members = [arrange("flat"), arrange("nested")]
    members[1].set_weights(members[0].get_weights())
    found = grad_cam.explain(members, random_image(), layer="conv_1")
    images = random_image()[None, ..., None]
    expected = grad_cam.grad_cam(members[0], images, "conv_1")
    close(found.heatmap, expected[0])


def test_members_are_compiled_once_for_images_of_every_size():
    models = two_models()
    grad_cam.explain(models, IMAGE)
    traces = list(forward_pass._TRACES[models[0]].values())
    assert len(traces) == 1
    found = grad_cam.explain(models, np.zeros((5, 7, 2)))
    assert found.mean.shape == (5, 7)
    assert list(forward_pass._TRACES[models[0]].values()) == traces


def test_member_is_freed_when_its_user_drops_it():
    first, second = two_models()
    grad_cam.explain([first, second], IMAGE)
    reference = weakref.ref(second)
    del second
    gc.collect()
    assert reference() is None


def test_sequential_model_that_was_never_called_is_fitted_too():
    expected, received = (
        grad_cam.explain(model, CORNERS).mean
        for model in (linear_model([1]), keras.Sequential([linear_model([1])]))
    )
    assert expected.max() > 0.99
    close(received, expected)


@pytest.mark.parametrize("arrangement", ["nested", "Sequential"])
def test_nested_model_is_freed_after_another_method(arrangement):
    model = arrange(arrangement)
    tf_keras_vis_cams.draw("layer_cam", model, random_image()[None, ..., None])
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("models", [[], ["model.keras"], [None]])
def test_refuses_what_is_not_a_model(models):
    with pytest.raises(ValueError, match="Keras models. Received: (none|str|NoneType)"):
        grad_cam.explain(models, IMAGE)


@pytest.mark.parametrize("shape", [(2,), (2, 2, 2, 2), (0, 2), (1, 1, 2, 2, 2)])
def test_refuses_what_is_not_one_image(shape):
    with pytest.raises(ValueError, match=r"Expected `image` .* Received: \("):
        grad_cam.explain(two_models(), np.zeros(shape))


def test_refuses_an_image_of_other_channels():
    with pytest.raises(ValueError, match="with 2 channels for .* Received: 3"):
        grad_cam.explain(two_models(), np.zeros((2, 2, 3)))


def test_refuses_a_model_of_three_classes():
    model = linear_model([1, 1])
    three = LAYERS.Dense(3)(model.layers[-2].output)
    with pytest.raises(ValueError, match=r"1 or 2 outputs. Received: .*\(1, 3\)"):
        grad_cam.explain(keras.Model(model.inputs, three), IMAGE)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"class_index": 2}, "`class_index` to be one of 0, 1. Received: 2"),
        ({"layer": "conv_9"}, "the layer 'conv_9'"),
    ],
)
def test_refuses_other_choices(choice, message):
    with pytest.raises(ValueError, match=message):
        grad_cam.explain(two_models(), IMAGE, **choice)


def test_members_built_alike_are_traced_once_and_keep_their_own_weights(monkeypatch):
    first = arrange("flat")
    models = [keras.models.clone_model(first) for _ in range(3)]
    image = random_image()
    alone = [grad_cam.explain(model, image) for model in models]
    built = []
    build = grad_cam._build_weighted_pass
    monkeypatch.setattr(
        grad_cam, "_build_weighted_pass", lambda *a: built.append(a) or build(*a)
    )
    together = grad_cam.explain(models, image)
    assert len(built) == 1
    assert together.logits.tolist() == [one.logits[0] for one in alone]
    assert len(set(together.logits.tolist())) == 3
    expected = np.mean([one.mean - one.counter for one in alone], axis=0)
    close(together.mean - together.counter, expected)
