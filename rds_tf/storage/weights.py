"""Weights of a Keras model as a safetensors file: names and numbers, no code.

The format (https://github.com/huggingface/safetensors) is a JSON header of names,
types, shapes and offsets, then the numbers. Its parser checks that the arrays cover
the file without gap or overlap; nothing is unpickled, linked or inflated.
"""

import re

import numpy as np
import safetensors
import safetensors.numpy

from rds_tf import errors

FILE = "model.safetensors"
MAX_WEIGHT = 1e6  # products of a few larger ones overflow to infinity


def list_names(model) -> list[str]:
    """Name each of `model.weights`, in order: `"000 stem_conv/kernel"`.

    Keras numbers unnamed layers by what the process has built before (`dense_7`).
    That number is left out; the place in front keeps the names unique.
    """
    paths = [re.sub(r"_\d+(?=/|$)", "", weight.path) for weight in model.weights]
    return [f"{place:03d} {path}" for place, path in enumerate(paths)]


def pack(model) -> bytes:
    """Return the weights of a Keras model as the content of a safetensors file."""
    # The writer takes the memory as it lies, so it must lie in C order.
    arrays = [np.asarray(array, order="C") for array in model.get_weights()]
    names = list_names(model)
    return safetensors.numpy.save(dict(zip(names, arrays, strict=True)))


def unpack(content: bytes, model) -> list[np.ndarray]:
    """Read a whole safetensors file as weights of a model, which is not changed.

    Returns:
        Read-only arrays, one for each of `model.weights`.

    Raises:
        InputError: the file is damaged, or its arrays are not those of the model in
            name, shape and type.
    """
    try:
        found = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise errors.InputError(f"it is no whole safetensors file: {error}") from error
    names = list_names(model)
    if odd := sorted(found.keys() ^ set(names)):
        holder = "the file" if odd[0] in found else "the network"
        raise errors.InputError(
            f"it holds {len(found)} arrays for the network's {len(names)}, and only "
            f"{holder} has {odd[0]!r}"
        )
    for name, weight in zip(names, model.weights, strict=True):
        check_fit(name, found[name], weight)
    return [found[name] for name in names]


def check_fit(name: str, array, weight) -> None:
    """Refuse an array, or HDF5 dataset, of another shape or type than a weight's."""
    held = tuple(array.shape), str(array.dtype)
    expected = tuple(weight.shape), str(weight.dtype)
    if held != expected:
        raise errors.InputError(
            f"its {name!r} has shape {held[0]} and type {held[1]}, "
            f"not {expected[0]} and {expected[1]}"
        )


def check_numbers(names: list[str], arrays: list[np.ndarray]) -> None:
    """Refuse weights that no training leaves behind: nan comes out of such networks.

    Raises:
        InputError: one is not finite, beyond `MAX_WEIGHT`, or a negative variance.
    """
    for name, array in zip(names, arrays, strict=True):
        if not np.isfinite(array).all():
            raise errors.InputError(f"its {name!r} holds values that are not finite")
        if np.abs(array).max(initial=0) > MAX_WEIGHT:
            raise errors.InputError(f"its {name!r} holds more than {MAX_WEIGHT:g}")
        if name.endswith("variance") and array.min(initial=0) < 0:
            raise errors.InputError(f"its {name!r} is below 0")
