import functools
import gc
import weakref

import keras
import numpy as np
import pytest
from tf_keras_vis import gradcam

from rds_tf.explanation import forward_pass, grad_cam, tf_keras_vis_cams

# Two channels that a 1 x 1 identity convolution passes on; `logit` = 2 sum(first)
# - sum(second) + bias, so each pixel of the map is 2 first - second.
IMAGE = np.array([[[[1, 0], [0, 1]], [[0, 3], [2, 0]]]], np.float32)
RAW_MAP = [[[2, -1], [-3, 4]]]
HEAT_MAP = [[[0.5, 0], [0, 1]]]
LAYERS = keras.layers


def assign(layer, *weights):
    layer.set_weights([np.array(each, np.float32) for each in weights])


def classify(conv, head="apart"):
    """Build GAP and a logit on `conv`, its sigmoid in a layer `apart` or `fused`."""
    pooled = LAYERS.GlobalAveragePooling2D()(conv)
    activation = "sigmoid" if head == "fused" else None
    output = LAYERS.Dense(1, activation=activation, name="logit")(pooled)
    if head == "apart":
        output = LAYERS.Activation("sigmoid", name="probability")(output)
    return output


def identity_model(bias=0.0, head="apart"):
    """The 2 x 2 model described at IMAGE."""
    inputs = keras.Input((2, 2, 2))
    conv = LAYERS.Conv2D(2, 1, use_bias=False, name="conv")(inputs)
    model = keras.Model(inputs, classify(conv, head))
    assign(model.get_layer("conv"), np.eye(2)[None, None])
    assign(model.get_layer("logit"), [[8], [-4]], [bias])
    return model


def corner_model():
    """A convolution of a 3 x 5 image that keeps rows 0 and 1, columns 0 and 3."""
    inputs = keras.Input((3, 5, 1))
    conv = LAYERS.Conv2D(1, 2, strides=(1, 3), use_bias=False, name="conv")(inputs)
    model = keras.Model(inputs, classify(conv))
    kernel = np.zeros((2, 2, 1, 1))
    kernel[0, 0] = 1
    assign(model.get_layer("conv"), kernel)
    assign(model.get_layer("logit"), [[4]], [0])
    return model


def two_conv_model(head="apart", seed=3):
    """Random weights, 12 px: a rectified, then a plain convolution."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 12, 1))
    conv = LAYERS.Conv2D(4, 3, strides=2, activation="relu", name="conv_1")(inputs)
    conv = LAYERS.Conv2D(3, 3, name="conv_2")(conv)
    return keras.Model(inputs, classify(conv, head=head))


def random_images(count=3, size=12):
    return np.random.default_rng(5).random((count, size, size, 1), dtype=np.float32)


def logits_of(model):
    return keras.Model(model.inputs, model.get_layer("logit").output)


def peer_maps(model, images):
    return gradcam.Gradcam(model)(lambda output: output[:, 0], images)


def test_map_of_four_pixels_is_the_one_computed_by_hand():
    model = identity_model()
    np.testing.assert_allclose(grad_cam.class_activation(model, IMAGE), RAW_MAP)
    heatmap = grad_cam.grad_cam(model, IMAGE)
    np.testing.assert_allclose(heatmap, HEAT_MAP, atol=1e-6)
    assert heatmap.dtype == np.float32


def test_corners_of_the_small_map_land_on_the_corners_of_the_image():
    image = np.full((1, 3, 5, 1), 9, np.float32)
    image[0, :2, ::3, 0] = [[0, 2], [4, 6]]
    expected = np.array(
        [[[0, 0.5, 1, 1.5, 2], [2, 2.5, 3, 3.5, 4], [4, 4.5, 5, 5.5, 6]]]
    )
    heatmap = grad_cam.grad_cam(corner_model(), image)
    np.testing.assert_allclose(heatmap, expected / 6, atol=1e-6)


def test_raw_map_sums_to_the_logit_less_its_bias():
    model = two_conv_model()
    model.get_layer("logit").bias.assign([0.7])
    total = grad_cam.class_activation(model, random_images()).sum(axis=(1, 2))
    logit = logits_of(model)([random_images()]).numpy()[:, 0]
    np.testing.assert_allclose(total, logit - 0.7, atol=1e-5)


def test_map_of_the_negative_class_is_the_negative():
    negative = grad_cam.class_activation(identity_model(), IMAGE, class_index=0)
    np.testing.assert_allclose(negative, -np.array(RAW_MAP))


@pytest.mark.parametrize("head", ["apart", "fused"])
def test_saturated_probability_keeps_its_map(head):
    model = identity_model(bias=200.0, head=head)
    assert model(IMAGE).numpy() == 1.0
    np.testing.assert_allclose(grad_cam.class_activation(model, IMAGE), RAW_MAP)


def test_softmax_model_is_explained_on_the_logit_of_the_class():
    linear = identity_model(head=None)
    conv, pool, dense = linear.layers[1:]
    two_classes = LAYERS.Dense(2, activation="softmax", use_bias=False)
    model = keras.Model(linear.inputs, two_classes(pool.output))
    assign(two_classes, [[8, 0], [0, 4]])
    first, second = IMAGE[..., 0], IMAGE[..., 1]
    for class_index, expected in ((0, 2 * first), (1, second)):
        received = grad_cam.class_activation(model, IMAGE, class_index=class_index)
        np.testing.assert_allclose(received, expected)


def test_map_without_positive_evidence_is_zero():
    heatmap = grad_cam.grad_cam(corner_model(), -np.ones((1, 3, 5, 1)))
    np.testing.assert_array_equal(heatmap, np.zeros((1, 3, 5)))


@pytest.mark.parametrize("head", ["apart", "fused", None])
def test_equals_tf_keras_vis_on_two_convolutions(head):
    model = two_conv_model(head)
    expected = peer_maps(model, random_images())
    assert expected.max(axis=(1, 2)).min() > 0.99
    received = grad_cam.grad_cam(model, random_images())
    np.testing.assert_allclose(received, expected, atol=1e-3)


def test_equals_tf_keras_vis_on_efficientnet(classifier):
    images = random_images(2, size=64)
    received = grad_cam.grad_cam(classifier, images)
    for model in (classifier, logits_of(classifier)):
        expected = peer_maps(model, images)
        assert expected.max(axis=(1, 2)).min() > 0.99
        np.testing.assert_allclose(received, expected, atol=1e-3)


def test_chosen_layer_is_named_as_tf_keras_vis_names_it():
    model = two_conv_model()
    expected = gradcam.Gradcam(model)(
        lambda output: output[:, 0], random_images(), penultimate_layer="conv_1"
    )
    for layer in ("conv_1", model.get_layer("conv_1")):
        received = grad_cam.grad_cam(model, random_images(), layer)
        np.testing.assert_allclose(received, expected, atol=1e-3)


def test_nested_sequential_and_rebuilt_models_have_the_map_of_the_flat_one():
    flat = two_conv_model()
    backbone = keras.Model(flat.inputs, flat.get_layer("conv_2").output)
    sequence = keras.Sequential(keras.models.clone_model(flat).layers)
    nested = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.models.clone_model(backbone),
            LAYERS.GlobalAveragePooling2D(),
            LAYERS.Dense(1, activation="sigmoid"),
        ]
    )
    rebuilt = keras.Model.from_config(flat.get_config())
    expected = grad_cam.class_activation(flat, random_images())
    for model in (sequence, nested, keras.Sequential([nested]), rebuilt):
        model.set_weights(flat.get_weights())
        received = grad_cam.class_activation(model, random_images())
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_batches_of_any_size_give_the_same_maps():
    model = two_conv_model()
    expected = grad_cam.grad_cam(model, random_images(5))
    received = grad_cam.grad_cam(model, random_images(5), batch_size=2)
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_is_traced_once_and_follows_the_weights():
    model = two_conv_model()
    first = grad_cam.class_activation(model, random_images(3))
    traces = list(forward_pass._TRACES[model].values())
    model.get_layer("logit").kernel.assign(2 * model.get_layer("logit").kernel)
    second = grad_cam.class_activation(model, random_images(2))
    np.testing.assert_allclose(second, 2 * first[:2], rtol=1e-5)
    assert list(forward_pass._TRACES[model].values()) == traces


def test_model_is_left_as_it_was():
    model = two_conv_model()
    calls = [layer.call.__func__ for layer in model.layers]
    grad_cam.grad_cam(model, random_images())
    assert [layer.call.__func__ for layer in model.layers] == calls
    assert not any("call" in vars(layer) for layer in model.layers)


def test_model_is_freed_when_its_user_drops_it():
    model = two_conv_model()
    grad_cam.grad_cam(model, random_images())
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_map_is_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = two_conv_model()
    finally:
        keras.config.set_dtype_policy(policy)
    half = grad_cam.grad_cam(model, random_images())
    assert half.dtype == np.float32
    full = grad_cam.grad_cam(two_conv_model(), random_images())
    np.testing.assert_allclose(half, full, atol=1e-2)


@pytest.mark.parametrize("method", ["grad_cam++", "layer_cam"])
def test_gradient_methods_keep_only_the_channel_with_positive_gradient(method):
    heatmap = tf_keras_vis_cams.draw(method, identity_model(), IMAGE)
    np.testing.assert_allclose(heatmap, HEAT_MAP, atol=1e-5)
    assert heatmap.dtype == np.float32


@pytest.mark.parametrize("head", ["apart", "fused"])
def test_score_cam_weighs_each_channel_by_its_own_probability(head):
    # Each channel, scaled to at most 1, masks the image; what is left scores
    # 2 (1 x 1/2 + 2 x 1) = 5 for the first and -(1 x 1/3 + 3 x 1) for the second.
    first, second = 1 / (1 + np.exp([-5, 10 / 3]))
    expected = np.array([[[first, second], [3 * second, 2 * first]]])
    expected = (expected - second) / (2 * first - second)
    heatmap = tf_keras_vis_cams.draw("score_cam", identity_model(head=head), IMAGE)
    np.testing.assert_allclose(heatmap, expected, atol=1e-5)


def test_smooth_grad_of_a_linear_model_is_its_gradient():
    np.random.seed(0)
    images = np.random.random((2, 3, 5, 1))
    heatmap = tf_keras_vis_cams.draw("smooth_grad", corner_model(), images)
    expected = [[[1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]] * 2
    np.testing.assert_allclose(heatmap, expected, atol=1e-6)


def test_other_methods_is_silent(capsys):
    tf_keras_vis_cams.draw("score_cam", identity_model(), IMAGE)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shape", [(12, 12), (0, 12, 12, 1)])
def test_refuses_images_without_four_axes(shape):
    images, model = np.zeros(shape), two_conv_model()
    for draw in (
        grad_cam.grad_cam,
        functools.partial(tf_keras_vis_cams.draw, "layer_cam"),
    ):
        with pytest.raises(ValueError, match=r"Received: \(.*12, 12.*\)$"):
            draw(model, images)


def test_refuses_a_model_without_convolution_naming_its_layers():
    model = keras.Sequential([keras.Input((2, 2, 1)), LAYERS.Flatten()])
    with pytest.raises(ValueError, match="`Conv2D` layer. .* made of Flatten"):
        grad_cam.grad_cam(model, np.zeros((1, 2, 2, 1)))


def test_refuses_a_layer_that_the_model_lacks():
    with pytest.raises(ValueError, match="the layer 'conv_9'"):
        grad_cam.grad_cam(two_conv_model(), random_images(), "conv_9")


def test_refuses_a_layer_without_feature_map():
    with pytest.raises(ValueError, match=r"Received: `logit` \(None, 1\)"):
        grad_cam.grad_cam(two_conv_model(), random_images(), "logit")


def test_refuses_a_segmentation_model():
    inputs = keras.Input((12, 12, 1))
    model = keras.Model(inputs, LAYERS.Conv2D(1, 1, activation="sigmoid")(inputs))
    with pytest.raises(ValueError, match=r"\(None, 12, 12, 1\)$"):
        grad_cam.grad_cam(model, random_images())


@pytest.mark.parametrize("method", tf_keras_vis_cams.METHODS)
def test_other_methods_draws_nested_models_as_the_flat_one(method):
    flat = two_conv_model()
    inputs = keras.Input((12, 12, 1))
    nested = keras.Model(inputs, flat(inputs))
    sequence = keras.Sequential([keras.Input((12, 12, 1)), flat])
    received = []
    for model in (flat, nested, keras.Sequential([nested]), sequence):
        np.random.seed(0)
        received.append(tf_keras_vis_cams.draw(method, model, random_images()))
    assert received[0].max(axis=(1, 2)).min() > 0.99
    for each in received[1:]:
        np.testing.assert_allclose(each, received[0], atol=1e-5)


@pytest.mark.parametrize("method", ["grad_cam++", "layer_cam", "score_cam"])
@pytest.mark.parametrize("layer", ["conv_1", "conv_2"])
def test_other_methods_equals_tf_keras_vis_at_every_layer(method, layer):
    model = two_conv_model()
    logit = logits_of(model).output
    pair = keras.ops.concatenate([keras.ops.zeros_like(logit), logit], axis=-1)
    draw = tf_keras_vis_cams.load_method(method)(keras.Model(model.inputs, pair))
    expected = draw(lambda z: z[:, 1], random_images(), penultimate_layer=layer)
    received = tf_keras_vis_cams.draw(method, model, random_images(), layer)
    assert received.shape == (3, 12, 12)
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_score_cam_of_the_negative_class_weighs_by_its_probability():
    first, second = 1 / (1 + np.exp([5, -10 / 3]))  # as above, of the other class
    expected = np.array([[[first, second], [3 * second, 2 * first]]])
    expected = (expected - first) / (3 * second - first)
    heatmap = tf_keras_vis_cams.draw(
        "score_cam", identity_model(), IMAGE, class_index=0
    )
    np.testing.assert_allclose(heatmap, expected, atol=1e-5)


def test_other_methods_refuses_an_unknown_method():
    with pytest.raises(ValueError, match="Received: 'eigen_cam'"):
        tf_keras_vis_cams.draw("eigen_cam", two_conv_model(), random_images())
