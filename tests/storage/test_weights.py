"""Weights files: what is written, and what a reader must refuse."""

import json
import struct

import keras
import numpy as np
import pytest
import safetensors.numpy

from rds_tf.storage import weights

NAMES = [
    *("000 dense/kernel", "001 dense/bias"),
    *("002 norm/gamma", "003 norm/beta"),
    *("004 norm/moving_mean", "005 norm/moving_variance"),
    *("006 dense/kernel", "007 dense/bias"),
]


def build(units=2):
    inputs = keras.Input((3,))
    x = keras.layers.Dense(units)(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


@pytest.fixture
def model():
    return build()


def parse(content):
    """Read a file as the format's page describes it, without its library."""
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    found = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        start, stop = entry["data_offsets"]
        found[name] = np.frombuffer(data[start:stop], "<f4").reshape(entry["shape"])
    return found


def compose(header, data):
    """Write a file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def split(content):
    """Return header and data, to be changed and put together by `compose`."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def test_file_names_each_weight_by_its_place_and_layer(model):
    build()  # Keras names the layers of a second model `dense_2` and so on
    for one in (model, build()):
        assert list(parse(weights.pack(one))) == NAMES


def test_file_holds_the_weights_bit_for_bit(model):
    found = parse(weights.pack(model))
    for name, weight in zip(NAMES, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found[name], weight)


def test_equal_weights_make_equal_files(model):
    other = build()
    other.set_weights(model.get_weights())
    assert weights.pack(other) == weights.pack(model)


def test_what_is_packed_is_unpacked_in_the_order_of_the_model(model):
    found = weights.unpack(weights.pack(model), build())
    for array, weight in zip(found, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, weight)
        assert array.dtype == weight.dtype


def test_order_of_the_arrays_in_the_file_does_not_matter(model):
    header, data = split(weights.pack(model))
    turned = dict(reversed(header.items()))
    found = weights.unpack(compose(turned, data), model)
    np.testing.assert_array_equal(found[0], model.get_weights()[0])


@pytest.mark.parametrize("proportion", [0, 0.01, 0.1, 0.5, 0.99])
def test_truncated_file_is_refused(model, proportion):
    content = weights.pack(model)
    with pytest.raises(ValueError, match="no whole safetensors file"):
        weights.unpack(content[: int(proportion * len(content))], model)


def test_each_flipped_bit_of_the_header_is_refused(model):
    content = weights.pack(model)
    _, data = split(content)
    accepted = []
    for bit in range(8 * (len(content) - len(data))):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            weights.unpack(bytes(flipped), model)
            accepted.append(bit)
        except ValueError:  # no other error
            pass
    assert accepted == []


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04", b"\x80\x04N.", b"\x89HDF\r\n\x1a\n" + bytes(90)]
)
def test_another_file_under_the_name_is_refused(model, content):
    with pytest.raises(ValueError, match="no whole safetensors file"):
        weights.unpack(content, model)


def lie(**changes):
    """Let the header say something else of the first bias, floats at 24 to 32."""

    def change(header, data):
        header[NAMES[1]] |= changes
        return compose(header, data)

    return change


LIES = {
    "the numbers of another array": lie(data_offsets=[0, 8]),
    "overlap": lie(data_offsets=[20, 28]),
    "gap": lie(data_offsets=[28, 36]),
    "beyond the end": lie(data_offsets=[10**6, 10**6 + 8]),
    "backwards": lie(data_offsets=[32, 24]),
    "negative": lie(data_offsets=[-8, 0]),
    "overflow": lie(data_offsets=[2**64 - 8, 2**64]),
    "shape too large": lie(shape=[2**40]),
    "shape that overflows": lie(shape=[2**33, 2**33]),
    "unknown type": lie(dtype="PICKLE"),
    "type that NumPy lacks": lie(dtype="BF16", shape=[4]),
    "header of all memory": lambda header, data: struct.pack("<Q", 2**62) + data,
    "deep nesting": lambda header, data: compose(b"[" * 10**5 + b"]" * 10**5, data),
    "no object": lambda header, data: compose([1, 2], data),
    "bytes left over": lambda header, data: compose(header, data + b"code"),
}


@pytest.mark.parametrize("name", LIES)
def test_header_that_lies_is_refused(model, name):
    header, data = split(weights.pack(model))
    assert header[NAMES[1]]["data_offsets"] == [24, 32]
    with pytest.raises(ValueError, match="no whole safetensors file"):
        weights.unpack(LIES[name](header, data), model)


def drop(arrays):
    del arrays[NAMES[7]]


def add(arrays):
    arrays["008 dense/kernel"] = np.zeros((2, 1), "float32")


def rename(arrays):
    arrays["006 conv/kernel"] = arrays.pop(NAMES[6])


def reshape(arrays):
    arrays[NAMES[0]] = arrays[NAMES[0]].reshape(2, 3)


def halve(arrays):
    arrays[NAMES[0]] = arrays[NAMES[0]].astype("float16")


def count(arrays):
    arrays[NAMES[0]] = arrays[NAMES[0]].astype("int32")


OTHER = {
    drop: "holds 7 arrays for the network's 8, and only the network has '007 dense/b",
    add: "holds 9 arrays for the network's 8, and only the file has '008 dense/kernel",
    rename: "only the file has '006 conv/kernel'",
    reshape: r"'000 dense/kernel' has shape \(2, 3\) and type float32, not \(3, 2\)",
    halve: "type float16, not .* float32",
    count: "type int32, not .* float32",
}


@pytest.mark.parametrize("change", OTHER, ids=lambda change: change.__name__)
def test_arrays_of_another_network_are_refused(model, change):
    arrays = safetensors.numpy.load(weights.pack(model))
    change(arrays)
    with pytest.raises(ValueError, match=OTHER[change]):
        weights.unpack(safetensors.numpy.save(arrays), model)


@pytest.mark.parametrize(
    ("place", "value", "cause"),
    [
        (0, np.nan, "'000 dense/kernel' holds values that are not finite"),
        (1, np.inf, "'001 dense/bias' holds values that are not finite"),
        (0, -2e6, r"'000 dense/kernel' holds more than 1e\+06"),
        (5, -0.1, "'005 norm/moving_variance' is below 0"),
    ],
)
def test_weights_that_no_training_leaves_behind_are_refused(model, place, value, cause):
    arrays = model.get_weights()
    weights.check_numbers(NAMES, arrays)
    arrays[place].flat[-1] = value
    with pytest.raises(ValueError, match=cause):
        weights.check_numbers(NAMES, arrays)
