"""Model folders: weights and a manifest; the architecture is code of this package.

A whole `.keras` file can carry code of the person who wrote it. A model folder holds
numbers and words only: `model.safetensors` and `manifest.json`, which gives the
SHA-256 of the weights. It is checked before they are parsed.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import rds_tf
from rds_tf import config, errors
from rds_tf.storage import disk, weights, weights_hdf5

MANIFEST = "manifest.json"
WEIGHTS = weights.FILE
MAX_BYTES = 2**31  # of a weights file
MAX_MANIFEST_BYTES = 2**24
MAX_ARCHITECTURE = 4096  # pixels or filters: more would only eat memory


class ModelError(errors.InputError):
    """A model folder that cannot be used, with the reason in one sentence."""


def save_model(model, folder: str | Path, manifest: dict) -> Path:
    """Write weights and manifest of a Keras model into `folder`.

    Args:
        model: Keras model built by a builder of this package.
        folder: the model's folder, made if need be, and returned.
        manifest: what another user must know: `kind` (`"segmenter"` or
            `"classifier"`), `architecture` (the builder's arguments),
            `preprocessing`, `training`.

    Raises:
        OSError: a file cannot be written. An older model in the folder is then
            unchanged, or `load_model` refuses it by its hash.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = weights.pack(model)
    sha256 = hashlib.sha256(content).hexdigest()
    manifest = {
        **manifest,
        "input_shape": list(model.input_shape[1:]),
        "num_parameters": model.count_params(),
        "weights": {"file": WEIGHTS, "bytes": len(content), "sha256": sha256},
        "rds_tf": rds_tf.__version__,
        "notice": config.NOT_FOR_CLINICAL_USE,
    }
    disk.write_whole(folder / WEIGHTS, content)
    disk.write_json(folder / MANIFEST, manifest)
    # The manifest now names the new file, and nothing vouches for an old one.
    (folder / weights_hdf5.FILE).unlink(missing_ok=True)
    return folder


def read_manifest(folder: str | Path) -> dict:
    """Read the manifest of a model folder.

    Raises:
        ModelError: if there is none, or it is not one.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(disk.read_whole(path, MAX_MANIFEST_BYTES))
        complete = {"kind", "architecture", "weights", "training"} <= manifest.keys()
    except FileNotFoundError:
        raise ModelError(f"{folder}: holds no model, {MANIFEST} is missing.") from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as a manifest: {error}.") from error
    if not complete:
        raise ModelError(f"{path}: lacks kind, architecture, weights or training.")
    if flawed := _list_flawed(manifest):
        raise ModelError(f"{path}: its {' and '.join(flawed)} cannot be right.")
    for name, value in manifest["architecture"].items():
        if isinstance(value, int) and not 0 <= value <= MAX_ARCHITECTURE:
            raise ModelError(f"{path}: no network of this package has {name} {value}.")
    return manifest


def _list_flawed(manifest: dict) -> list[str]:
    """List the entries of a manifest whose values are of a wrong type."""
    known, training = manifest["weights"], manifest["training"]
    hearts = manifest.get("hearts", ["in"])
    right = {
        "kind": isinstance(manifest["kind"], str),
        "architecture": isinstance(manifest["architecture"], dict),
        "weights": isinstance(known, dict)
        and {"bytes", "sha256"} <= known.keys()
        and known.get("file") in (WEIGHTS, weights_hdf5.FILE),
        "training": isinstance(training, dict) and _is_texts(training.get("seen", [])),
        "hearts": _is_texts(hearts) and 0 < len(hearts) == len(set(hearts)),
        "input": isinstance(manifest.get("input", "whole"), str),
        "segmenters": are_segmenters(manifest.get("segmenters", [])),
    }
    return [name for name, is_right in right.items() if not is_right]


def are_segmenters(value) -> bool:
    """Say whether a value is a list of what `segmenter.Segmenter.describe` returns."""
    names = {"name", "sha256", "heart"}
    return isinstance(value, (list, tuple)) and all(
        isinstance(one, dict) and names <= one.keys() and _is_texts([*one.values()])
        for one in value
    )


def _is_texts(value) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def list_models(path: str | Path, kind: str) -> list[Path]:
    """Return the model folders of one kind: `path` itself, or folders in it.

    It looks two folders deep, for a comparison keeps its seeds in folders.
    """
    path = Path(path)
    folders = [path]
    if not (path / MANIFEST).exists():
        folders = sorted([*path.glob("*/"), *path.glob("*/*/")])
    folders = [folder for folder in folders if (folder / MANIFEST).exists()]
    return [folder for folder in folders if read_manifest(folder)["kind"] == kind]


def find_models(path: str | Path, kind: str) -> list[Path]:
    """Return the folders of `list_models`.

    Raises:
        ModelError: if there is none.
    """
    found = list_models(path, kind)
    if not found:
        raise ModelError(
            f"{path}: holds no {kind}; train one with `python -m rds_tf train {kind}`, "
            "or name a folder that holds one."
        )
    return found


def choose_models(folder: str | Path, kind: str) -> Path:
    """Return `folder` if it holds models of one kind, else the shipped models."""
    return Path(folder) if list_models(folder, kind) else config.SAVED_MODELS


def load_model(
    folder: str | Path, kind: str, build: Callable, fill: Callable | None = None
):
    """Verify a model folder, build its architecture and load its weights.

    Args:
        kind: `"segmenter"` or `"classifier"`.
        build: builder called with the manifest's `architecture` as arguments.
        fill: function of the model and its weights, one array for each of
            `model.weights`, that returns what to use in place of the model, such as
            `stateless.StatelessModel`; default the model itself with these weights.

    Returns:
        `(model, manifest)`.

    Raises:
        ModelError: if manifest, size, hash, shapes or number of parameters do not fit.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest["kind"] != kind:
        raise ModelError(f"{folder}: is a {manifest['kind']}, not a {kind}.")
    content = _read_verified(folder, manifest["weights"])
    unpack = weights.unpack
    if manifest["weights"]["file"] == weights_hdf5.FILE:
        unpack = weights_hdf5.unpack
        print(
            f"{folder}: holds weights of version 0.1 as HDF5; save it again by "
            "`model_store.save_model`, for a later version will not read them."
        )
    try:
        model = build(**manifest["architecture"])
        _check_shapes(model, manifest)
        arrays = unpack(content, model)
        weights.check_numbers(weights.list_names(model), arrays)
        if fill:
            model = fill(model, arrays)
        else:
            model.set_weights(arrays)
    except (TypeError, ValueError, KeyError) as error:
        # Keras says the cause in its first sentence; whole configurations follow it.
        cause = str(error).partition("\n")[0].partition(". ")[0].rstrip(".,")[:300]
        raise ModelError(f"{folder}: does not fit its manifest: {cause}.") from error
    return model, manifest


def _read_verified(folder: Path, known: dict) -> bytes:
    """Read a weights file whole, if size and hash are those of its manifest."""
    path = folder / known["file"]
    if not path.is_file():
        raise ModelError(f"{path}: is missing.")
    if (size := path.stat().st_size) != known["bytes"]:
        raise ModelError(
            f"{path}: was changed or damaged, it holds {size} bytes and not the "
            f"manifest's {known['bytes']}."
        )
    try:
        content = disk.read_whole(path, MAX_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}.") from error
    # What was hashed is what is used: the file is not opened a second time.
    if hashlib.sha256(content).hexdigest() != known["sha256"]:
        raise ModelError(
            f"{path}: was changed or damaged, its SHA-256 is not the manifest's."
        )
    return content


def _check_shapes(model, manifest: dict) -> None:
    """Refuse a model whose code builds another network than its manifest describes."""
    built = {
        "input_shape": list(model.input_shape[1:]),
        "num_parameters": model.count_params(),
    }
    for name, value in built.items():
        if manifest.get(name) != value:
            raise errors.InputError(f"its {name} is {value}, not {manifest.get(name)}")
