"""Model files looked at before a library opens them: numbers may pass, code may not.

What is refused here has been used against Keras: code in a Lambda layer, classes of
other packages named in a configuration, weights that link to other files of the
machine, archives that inflate without end.
"""

import io
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from rds_tf import errors

MAX_BYTES = 2**31  # of a model file, inflated
MAX_JSON_BYTES = 2**24
MAX_WEIGHT = 1e6  # products of a few larger ones overflow, and nan is no probability
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
# Classes that hold numbers and structure, none that holds code of the file's writer.
MODULES = {
    *("keras", "keras.layers", "keras.initializers", "keras.regularizers"),
    *("keras.constraints", "keras.optimizers", "keras.losses", "keras.metrics"),
    *("keras.src.models.functional", "keras.src.models.sequential"),
}
CLASSES = {("efficientnet.model", "FixedDropout")}  # of a package this one builds on
CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer"}
FUNCTIONS = {"swish", "silu", "relu", "sigmoid", "softmax", "tanh", "gelu", "linear"}
MARKS = {"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"}


def check_weights(path: str | Path | io.BytesIO) -> None:
    """Refuse a weights file that is anything but arrays inside itself.

    Args:
        path: `.weights.h5` file, or its bytes as a file object.

    Raises:
        ValueError: if it is no whole HDF5 file, links anywhere (soft, external, or
            data kept in another file), holds a virtual dataset, an object instead of
            numbers, or would inflate to more than `MAX_BYTES`.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            total = sum(_measure(dataset) for dataset in _walk(file))
    except (OSError, RuntimeError, KeyError) as error:
        raise errors.InputError(f"it is no whole HDF5 file: {error}") from error
    if total > MAX_BYTES:
        raise errors.InputError(f"its arrays would take {total} bytes")


def _walk(group):
    """Yield every dataset below a group; refuse what is not plainly in this file."""
    import h5py

    waiting, seen = [group], set()
    while waiting:
        group = waiting.pop()
        if hash(group.id) in seen:  # a link back up would lead round for ever
            raise errors.InputError(f"{group.name} is held twice")
        seen.add(hash(group.id))
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise errors.InputError(f"{name!r} is a link to elsewhere")
            member = group[name]
            if isinstance(member, h5py.Group):
                waiting.append(member)
            elif isinstance(member, h5py.Dataset):
                yield member
            else:
                raise errors.InputError(f"{name!r} is neither a group nor an array")


def _measure(dataset) -> int:
    """Return the bytes of a dataset's array; refuse one that lies in other files."""
    if dataset.is_virtual or dataset.external:
        raise errors.InputError(f"the numbers of {dataset.name} lie in another file")
    if dataset.dtype.kind not in "fiub":
        raise errors.InputError(f"{dataset.name} holds {dataset.dtype}, not numbers")
    return dataset.size * dataset.dtype.itemsize


def check_keras_file(path: str | Path) -> None:
    """Refuse a whole `.keras` file that could carry code.

    Args:
        path: `.keras` file.

    Raises:
        ValueError: if it is no whole archive of the three members that Keras writes,
            inflates to more than `MAX_BYTES`, or names a class that is not Keras'
            own or that holds code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            strangers = {member.filename for member in members} - MEMBERS
            if strangers or len(members) != len(MEMBERS):
                raise errors.InputError(f"it does not hold just {sorted(MEMBERS)}")
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise errors.InputError("it would inflate without measure")
            if archive.getinfo("config.json").file_size > MAX_JSON_BYTES:
                raise errors.InputError("its config.json is too large")
            content = json.loads(archive.read("config.json"))
            weights = io.BytesIO(archive.read("model.weights.h5"))
    except (
        *(zipfile.BadZipFile, zlib.error, OSError),
        RuntimeError,  # encrypted, or packed by an unknown method, or too deep
    ) as error:
        raise errors.InputError(f"it is no whole .keras file: {error}") from error
    check_weights(weights)
    _check_config(content)


def _check_config(content) -> None:
    """Refuse a class that is not plainly Keras' own, anywhere in a configuration."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                _check_class(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_class(part: dict) -> None:
    name, module = part["class_name"], part.get("module")
    known = (module in MODULES and name not in CODE) or (module, name) in CLASSES
    mark = module is None and name in MARKS
    function = (module, name) == ("builtins", "function")
    function = function and part.get("config") in FUNCTIONS
    if not (known or mark or function):
        raise errors.InputError(
            f"its configuration names {module}.{name}, which may be code"
        )


def list_flawed(manifest: dict) -> list[str]:
    """List the entries of a manifest that hold something else than they should."""
    weights, training = manifest["weights"], manifest["training"]
    hearts = manifest.get("hearts", ["in"])
    right = {
        "kind": isinstance(manifest["kind"], str),
        "architecture": isinstance(manifest["architecture"], dict),
        "weights": isinstance(weights, dict) and "sha256" in weights,
        "training": isinstance(training, dict) and _is_texts(training.get("seen", [])),
        "hearts": _is_texts(hearts) and 0 < len(hearts) == len(set(hearts)),
        "input": isinstance(manifest.get("input", "whole"), str),
    }
    return [name for name, is_right in right.items() if not is_right]


def _is_texts(value) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def check_shapes(model, manifest: dict) -> None:
    """Refuse a model whose code builds another network than its manifest describes."""
    built = {
        "input_shape": list(model.input_shape[1:]),
        "num_parameters": model.count_params(),
    }
    for name, value in built.items():
        if manifest.get(name) != value:
            raise errors.InputError(f"its {name} is {value}, not {manifest.get(name)}")


def check_numbers(weights: list, arrays: list) -> None:
    """Refuse weights that no training leaves behind: nan comes out of such networks.

    Args:
        weights: Keras variables, which name their arrays.
        arrays: what they hold, or are to hold.
    """
    for weight, array in zip(weights, arrays, strict=True):
        part = np.asarray(array)
        if not np.isfinite(part).all():
            raise errors.InputError("its weights are not all numbers")
        if np.abs(part).max(initial=0) > MAX_WEIGHT:
            raise errors.InputError(f"its {weight.path} holds more than {MAX_WEIGHT:g}")
        if weight.path.endswith("variance") and part.min(initial=0) < 0:
            raise errors.InputError(f"its {weight.path} is below 0")
