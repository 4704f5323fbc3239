"""How a classifier is trained on the folds of a cohort."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rds_tf import config, errors, training
from rds_tf.classification import classifier, efficientnet
from rds_tf.data import pipeline, prepare, preprocessing
from rds_tf.storage import model_store

LEARNING_RATE = 5e-4
STARTS = ("auto", "imagenet", "phantom", "scratch")


@dataclass(frozen=True)
class Arm:
    """One way to build a classifier, compared with others on the same folds.

    Attributes:
        backbone: `"B0"`, `"B3"` or `"B5"`.
        input_name: one of `cropping.INPUTS`.
        start: `"imagenet"`, `"phantom"` (the shipped classifier), `"scratch"`, or
            `"auto"`: the first of them that is to be had.
        seed: int, with the fold it seeds a run.
    """

    backbone: str = "B0"
    input_name: str = "whole"
    start: str = "auto"
    seed: int = 0

    @property
    def name(self) -> str:
        """Its name in a comparison, such as `"B0 combined"`."""
        return f"{self.backbone} {self.input_name}"


def train_fold(
    prepared: str | Path,
    out: str | Path,
    fold: int,
    profile: config.Profile,
    arm: Arm = Arm(),
    segmenters: str | Path = config.SAVED_MODELS,
) -> Path:
    """Train an EfficientNet on every fold but one.

    Args:
        prepared: folder written by `prepare`.
        out: folder that receives `classifier_<backbone>_<input>_fold_<fold>`.
        fold: int, the fold held out; it is not looked at.
        profile: sizes of the run.
        arm: what to train.
        segmenters: where the segmenters lie that find the lungs, each case's by one
            that did not see it; not needed for whole films.

    Returns:
        The model's folder.

    Raises:
        ValueError: if the films outside the fold are of one class.
    """
    table = prepare.load_manifest(prepared)
    table = table[table["fold"] != fold]
    if table["rds"].nunique() < 2:
        raise errors.InputError(
            f"{prepared}: outside fold {fold} there is one class only."
        )
    masks = None
    if arm.input_name != "whole":
        masks = classifier.predict_masks(prepared, table, segmenters)
    size = profile.classifier_px[arm.backbone]
    windows = classifier.load_crops(prepared, table, arm.input_name, size, masks)
    folder = Path(out) / f"classifier_{arm.name.replace(' ', '_')}_fold_{fold}"
    return train_windows(windows, table, folder, profile, arm, fold).folder


def train_windows(
    windows, table, folder: Path, profile: config.Profile, arm: Arm, fold: int
) -> classifier.Classifier:
    """Train an EfficientNet on windows of films.

    Args:
        windows: uint8 `(N, S, S, 1)` from `classifier.load_crops`.
        table: their rows of the manifest.
        folder: the model's folder.
        profile: sizes of the run.
        arm: what to train.
        fold: int, the fold that is not in `table`.

    Returns:
        The trained classifier, saved in `folder`.
    """
    config.set_seed(config.NUM_FOLDS * arm.seed + fold)
    architecture = {"backbone": arm.backbone, "image_size": windows.shape[1]}
    with training.spread():
        model = efficientnet.build_classifier(**architecture)
    begun = load_start(model, architecture, arm.start)
    batches = pipeline.classification_dataset(
        windows, table["rds"], profile.batch_size, training=True
    )
    record = {
        "data": f"{len(table)} films of a cohort in five folds",
        "held_out_fold": fold,
        "start": begun,
        "steps": profile.classifier_steps,
        "seed": arm.seed,
        "batch_norm": "refreshed on the training films",
        "seen": [pixels[:16] for pixels in table["pixel_sha256"]],
    }
    data = pipeline.hash_arrays(windows, table["rds"].to_numpy())
    made_of = record | {"windows": data}  # masks and labels may change
    fit(model, batches, folder, LEARNING_RATE, made_of)
    order = np.random.default_rng(fold).permutation(len(windows))
    training.refresh_batch_norm(model, windows[order])
    save(model, folder, architecture, arm.input_name, record)
    return classifier.Classifier(model, model_store.read_manifest(folder), folder)


def load_start(model, architecture: dict, start: str = "auto") -> str:
    """Load the weights that training starts from and say which they are.

    Returns:
        `"imagenet"`, `"phantom"` or `"scratch"`; what could not be had is printed.

    Raises:
        ValueError: if `start` is not one of `STARTS`, or is one that was asked for
            by name and is not to be had.
    """
    if start not in STARTS:
        raise errors.InputError(f"`start` must be one of {STARTS}. Received: {start!r}")
    begun, warnings = "scratch", []
    if start in ("auto", "imagenet"):
        begun, warning = efficientnet.load_start(model, architecture["backbone"])
        warnings.append(warning.split(";")[0])
    if begun == "scratch" and start in ("auto", "phantom"):
        begun, warning = _load_shipped(model, architecture)
        warnings.append(warning)
    if start not in ("auto", begun):
        raise errors.InputError(f"The {start} start is not to be had: {warnings[-1]}")
    for warning in filter(None, warnings):
        print(warning.rstrip(".") + ".")
    return begun


def _load_shipped(model, architecture: dict) -> tuple[str, str]:
    """Go on from the shipped classifier if it fits and saw no film.

    One that saw films may have seen those of the fold that is held out.
    """
    try:
        for folder in model_store.find_models(config.SAVED_MODELS, "classifier"):
            manifest = model_store.read_manifest(folder)
            if manifest["architecture"] == architecture:
                if manifest["training"]["seen"]:
                    return "scratch", f"{folder}: saw films in its training"
                model_store.load_model(folder, "classifier", lambda **_: model)
                return "phantom", ""
    except model_store.ModelError as error:
        return "scratch", str(error)
    return "scratch", f"No shipped classifier fits {architecture}, so from scratch"


def fit(model, batches, folder: Path, learning_rate: float, record: dict):
    """Compile with binary cross-entropy and fit for the record's steps."""
    with training.beside(model):
        model.compile(
            training.build_optimizer(record["steps"], learning_rate),
            loss=keras.losses.BinaryCrossentropy(label_smoothing=0.02),
            metrics=[keras.metrics.BinaryAccuracy("accuracy")],
        )
    return training.fit(model, batches, folder, record)


def save(model, folder: Path, architecture: dict, input_name: str, record: dict):
    """Write the model with its manifest."""
    manifest = {
        "kind": "classifier",
        "architecture": architecture,
        "input": input_name,
        "preprocessing": preprocessing.DESCRIPTION,
        "output": "probability of the label `rds` of the training data",
        "threshold": 0.5,
        "training": record,
    }
    saved = model_store.save_model(model, folder, manifest)
    training.forget_backup(folder)
    return saved
