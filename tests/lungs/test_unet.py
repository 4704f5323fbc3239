import keras
import numpy as np
import pytest

from rds_tf.lungs import unet


def test_the_plain_unet_gives_float32_probabilities_of_the_input_size():
    model = unet.build_unet(16, filters=2, depth=2)
    out = model.predict_on_batch(np.random.default_rng(0).random((2, 16, 16, 1)))
    assert out.shape == (2, 16, 16, 1) and out.dtype == np.float32
    assert 0 <= out.min() <= out.max() <= 1


def test_the_shipped_size_has_the_parameters_of_the_study_scaled_down():
    # Counted by hand: 2 convolutions a block, 9 weights a channel pair, 4 a BN channel.
    def block(inputs, outputs):
        return 9 * (inputs * outputs + outputs * outputs) + 8 * outputs

    widths = [16, 32, 64, 128, 256]
    total = block(1, 16) + sum(block(a, 2 * a) for a in widths[:-1])
    total += sum(block(2 * a + a, a) for a in widths[:-1]) + 16 + 1
    assert unet.build_unet(128, filters=16).count_params() == total


def test_an_encoder_of_segmentation_models_stands_behind_the_same_builder():
    model = unet.build_unet(32, encoder="mobilenetv2")
    assert model.input_shape == (None, 32, 32, 1)
    assert model.output_shape == (None, 32, 32, 1)
    assert [layer.name for layer in model.layers[-2:]] == ["logit", "probability"]


def test_a_size_that_does_not_halve_is_refused():
    with pytest.raises(ValueError, match="must be a multiple of 16. Received: 100"):
        unet.build_unet(100)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(ValueError, match="`encoder` must be 'plain' or one of"):
        unet.build_unet(32, encoder="resnet1")


def test_dice_bce_is_what_the_formula_says():
    true = np.array([[1, 1], [0, 0]], "float32").reshape(1, 2, 2, 1)
    predicted = np.array([[0.8, 0.6], [0.4, 0.2]], "float32").reshape(1, 2, 2, 1)
    dice = 2 * (0.8 + 0.6) / (2 + 2.0)
    bce = -np.mean(np.log([0.8, 0.6, 0.6, 0.8]))
    loss = unet.DiceBCE()(true, predicted)
    assert float(loss) == pytest.approx(1 - dice + bce, abs=1e-4)


def test_a_perfect_prediction_costs_nothing_even_without_lungs():
    empty = np.zeros((1, 4, 4, 1), "float32")
    assert float(unet.DiceBCE()(empty, empty)) == pytest.approx(0, abs=1e-5)


def test_the_loss_and_the_metric_serialize():
    model = unet.build_unet(16, filters=2, depth=1)
    model.compile("adam", loss=unet.DiceBCE(), metrics=[unet.LungIoU()])
    loss = keras.losses.deserialize(keras.losses.serialize(unet.DiceBCE()))
    assert isinstance(loss, unet.DiceBCE)


def test_lung_iou_averages_over_images():
    true = np.zeros((2, 2, 2, 1), "float32")
    true[0, 0] = 1
    true[1, :] = 1
    predicted = np.zeros_like(true)
    predicted[0] = 0.9  # IoU 2 / 4
    predicted[1] = 0.9  # IoU 1
    metric = unet.LungIoU()
    metric.update_state(true, predicted)
    assert float(metric.result()) == pytest.approx(0.75, abs=1e-4)


def test_a_unet_of_two_masks_and_one_of_them_alone():
    model = unet.build_unet(16, filters=2, depth=1, num_masks=2)
    batch = np.random.default_rng(0).random((1, 16, 16, 1), dtype="float32")
    both = model.predict_on_batch(batch)
    assert both.shape == (1, 16, 16, 2)
    second = unet.choose_mask(model, 1).predict_on_batch(batch)
    np.testing.assert_array_equal(second, both[..., 1:])
