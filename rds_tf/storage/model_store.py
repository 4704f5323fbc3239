"""Models on disk: code in this package, weights, and a manifest with their hash.

A whole `.keras` file can carry code of whoever wrote it. A folder of this store holds
numbers only: `model.weights.h5` and `manifest.json`, whose SHA-256 is checked before
the weights are opened.
"""

import hashlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import rds_tf
from rds_tf import config, errors
from rds_tf.storage import disk, model_checks

MANIFEST = "manifest.json"
WEIGHTS = "model.weights.h5"
MAX_ARCHITECTURE = 4096  # pixels or filters: more would only eat memory


class ModelError(errors.InputError):
    """A model folder that cannot be used, with the reason in one sentence."""


def save_model(model, folder: str | Path, manifest: dict) -> Path:
    """Write weights and manifest of a Keras model into `folder`.

    Args:
        model: Keras model built by a builder of this package.
        folder: path of the model's folder, made if need be.
        manifest: what another person must know: `kind` (`"segmenter"` or
            `"classifier"`), `architecture` (the builder's arguments),
            `preprocessing`, `training`.

    Returns:
        The folder.

    Raises:
        OSError: a file cannot be written; what stood there before then stands, or is
            refused by its hash.
    """
    import keras

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = _Memory()
    bare = keras.Model(model.inputs, model.outputs)  # without the optimizer's state
    bare.save_weights(file)
    content = file.getvalue()
    manifest = {
        **manifest,
        "input_shape": list(model.input_shape[1:]),
        "num_parameters": model.count_params(),
        "weights": {
            "file": WEIGHTS,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        },
        "rds_tf": rds_tf.__version__,
        "notice": config.NOT_FOR_CLINICAL_USE,
    }
    disk.write_whole(folder / WEIGHTS, content)
    disk.write_json(folder / MANIFEST, manifest)
    return folder


class _Memory(io.BytesIO):
    """A file in memory for Keras: HDF5 itself does not tell of a full disk in time."""

    def __str__(self) -> str:
        """Return a name of the ending that Keras asks for."""
        return WEIGHTS


def read_manifest(folder: str | Path) -> dict:
    """Read the manifest of a model folder.

    Raises:
        ModelError: if there is none, or it is not one.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        complete = {"kind", "architecture", "weights", "training"} <= manifest.keys()
    except FileNotFoundError:
        raise ModelError(f"{folder}: holds no model, {MANIFEST} is missing.") from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as a manifest: {error}.") from error
    if not complete:
        raise ModelError(f"{path}: lacks kind, architecture, weights or training.")
    if flawed := model_checks.list_flawed(manifest):
        raise ModelError(f"{path}: its {' and '.join(flawed)} cannot be right.")
    for name, value in manifest["architecture"].items():
        if isinstance(value, int) and not 0 <= value <= MAX_ARCHITECTURE:
            raise ModelError(f"{path}: no network of ours has {name} {value}.")
    return manifest


def find_models(path: str | Path, kind: str) -> list[Path]:
    """Return the model folders of one kind: `path` itself, or folders in it.

    A folder of folders of models, such as the seeds of a comparison, is looked into.

    Args:
        path: a model folder, or a folder of model folders.
        kind: `"segmenter"` or `"classifier"`.

    Raises:
        ModelError: if there is none of that kind.
    """
    path = Path(path)
    folders = (
        [path]
        if (path / MANIFEST).exists()
        else sorted([*path.glob("*/"), *path.glob("*/*/")])
    )
    folders = [folder for folder in folders if (folder / MANIFEST).exists()]
    found = [folder for folder in folders if read_manifest(folder)["kind"] == kind]
    if not found:
        raise ModelError(f"{path}: holds no {kind}.")
    return found


def choose_models(folder: str | Path, kind: str) -> Path:
    """Return `folder` if it holds models of one kind, else the shipped models."""
    manifests = [
        read_manifest(each.parent)
        for pattern in (MANIFEST, f"*/{MANIFEST}", f"*/*/{MANIFEST}")
        for each in Path(folder).glob(pattern)
    ]
    return (
        Path(folder) if kind in [m["kind"] for m in manifests] else config.SAVED_MODELS
    )


def load_model(
    folder: str | Path, kind: str, build: Callable, fill: Callable | None = None
):
    """Verify a model folder, build its architecture and load its weights.

    Args:
        folder: path of the model folder.
        kind: `"segmenter"` or `"classifier"`.
        build: builder called with the manifest's `architecture` as arguments.
        fill: function of model and weights file that returns what is kept in place of
            the model, as `stateless.load_stateless`; default the model with these
            weights.

    Returns:
        `(model, manifest)`.

    Raises:
        ModelError: if manifest, size, hash, shapes or number of parameters do not fit.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest["kind"] != kind:
        raise ModelError(f"{folder}: is a {manifest['kind']}, not a {kind}.")
    weights = folder / WEIGHTS
    _check_bytes(weights, manifest["weights"])
    try:
        model_checks.check_weights(weights)
        model = build(**manifest["architecture"])
        model_checks.check_shapes(model, manifest)
        with warnings.catch_warnings():
            # Keras only warns when it leaves a layer as it was.
            warnings.simplefilter("error", UserWarning)
            model = (fill or _fill)(model, weights)
    except (TypeError, ValueError, KeyError, UserWarning) as error:
        cause = _shorten(error)
        raise ModelError(f"{folder}: does not fit its manifest: {cause}.") from error
    return model, manifest


def _fill(model, weights: Path):
    model.load_weights(weights)
    model_checks.check_numbers(model.weights, model.weights)
    return model


def _check_bytes(weights: Path, known: dict) -> None:
    """Refuse a weights file of another size or content than its manifest says."""
    if not weights.is_file():
        raise ModelError(f"{weights}: is missing.")
    if weights.stat().st_size != known.get("bytes"):
        raise ModelError(
            f"{weights}: was changed or damaged, it holds {weights.stat().st_size} "
            f"bytes and not the manifest's {known.get('bytes')}."
        )
    if hashlib.sha256(weights.read_bytes()).hexdigest() != known["sha256"]:
        raise ModelError(
            f"{weights}: was changed or damaged, its SHA-256 is not the manifest's."
        )


def load_keras_file(path: str | Path):
    """Load a whole `.keras` file of the user's own, for `explain` and the like.

    It is inspected first, then loaded in Keras' safe mode and not compiled.

    Args:
        path: `.keras` file.

    Returns:
        The Keras model.

    Raises:
        ModelError: if it is missing or damaged, or could carry code.
    """
    import keras

    try:
        model_checks.check_keras_file(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (TypeError, ValueError, KeyError) as error:
        cause = _shorten(error)
        raise ModelError(f"{path}: cannot be loaded safely: {cause}.") from error


def _shorten(error: Exception) -> str:
    """Take the first sentence of what Keras says; whole configurations follow it."""
    return str(error).partition("\n")[0].partition(". ")[0].rstrip(".,")[:300]
