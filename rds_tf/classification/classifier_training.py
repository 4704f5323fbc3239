"""How a classifier is trained on the folds of a cohort."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rds_tf import config, errors, training
from rds_tf.classification import efficientnet, grades
from rds_tf.data import pipeline, preprocessing
from rds_tf.lungs import segmenter
from rds_tf.storage import model_store

LEARNING_RATE = 5e-4
STARTS = ("auto", "imagenet", "phantom", "scratch")


@dataclass(frozen=True)
class Arm:
    """One way to build a classifier, compared with others on the same folds.

    Attributes:
        backbone: one of `efficientnet.BACKBONES`.
        input_name: one of `cropping.INPUTS`.
        start: `"imagenet"`, `"phantom"` (the shipped classifier), `"scratch"`, or
            `"auto"`: the first of them that is available.
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

    @property
    def title(self) -> str:
        """Its name with the seed, such as `"B0 combined, seed 1"`."""
        return f"{self.name}, seed {self.seed}" if self.seed else self.name


def train_windows(windows, table, job: training.Job, segmenters: list[dict]):
    """Train an EfficientNet on windows of films; return the model, which is saved.

    Args:
        windows: uint8 `(N, S, S, 1)` from `classifier.load_crops`.
        table: their rows of the manifest, none of the fold that `job` holds out.
        job: what to train, and where the model goes.
        segmenters: which ones cut the windows, from `Segmenter.describe`.
    """
    arm = job.arm
    config.set_seed(config.NUM_FOLDS * arm.seed + job.fold)
    architecture = {"backbone": arm.backbone, "image_size": windows.shape[1]}
    with training.spread():
        model = efficientnet.build_classifier(**architecture)
    begun = load_start(model, architecture, job.start or arm.start)
    batches = pipeline.classification_dataset(
        windows, table["rds"], job.profile.batch_size, training=True
    )
    about = {
        "data": f"{len(table)} films of a cohort in five folds",
        "held_out_fold": job.fold,
        "start": begun,
        "steps": job.profile.classifier_steps,
        "seed": arm.seed,
        "batch_norm": "refreshed on the training films",
        "seen": [pixels[:16] for pixels in table["pixel_sha256"]],
    }
    if "finding" in job.record:
        about["finding"] = job.record["finding"]
    data = pipeline.hash_arrays(windows, table["rds"].to_numpy())
    made_of = about | {"windows": data}  # masks and labels may change
    fit(model, batches, job.folder, LEARNING_RATE, made_of)
    order = np.random.default_rng(job.fold).permutation(len(windows))
    training.refresh_batch_norm(model, windows[order])
    about["record"] = job.record
    save(model, job.folder, architecture, arm.input_name, about, segmenters=segmenters)
    return model


def find_start(job: training.Job) -> str:
    """Say what the job's training can start from, as `load_start` does."""
    arm, size = job.arm, job.profile.classifier_px[job.arm.backbone]
    architecture = {"backbone": arm.backbone, "image_size": size}
    model = efficientnet.build_classifier(**architecture)
    return load_start(model, architecture, arm.start)


def load_start(model, architecture: dict, start: str = "auto") -> str:
    """Load the weights that training starts from and say which they are.

    Returns:
        `"imagenet"`, `"phantom"` or `"scratch"`; what is not available is printed.

    Raises:
        InputError: `start` is not one of `STARTS`, or is named and not available.
    """
    if start not in STARTS:
        raise errors.InputError(f"`start` must be one of {STARTS}. Received: {start!r}")
    begun, warnings = "scratch", []
    if start in ("auto", "imagenet"):
        begun, warning = efficientnet.load_start(model, architecture["backbone"])
        warnings.append(warning)
    if begun == "scratch" and start in ("auto", "phantom"):
        begun, warning = _load_shipped(model, architecture)
        warnings.append(warning)
    if start not in ("auto", begun):
        raise errors.InputError(f"The {start} start is not available: {warnings[-1]}")
    for warning in filter(None, warnings):
        print(warning.rstrip(".") + ".")
    return begun


def _load_shipped(model, architecture: dict) -> tuple[str, str]:
    """Go on from the shipped classifier if it fits and saw no film of any fold."""
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


def fit_grades(
    model, batches, folder: Path, learning_rate: float, record: dict
) -> list[float]:
    """Fit a classifier on ordinal grades, as `fit` does on {0, 1}.

    Nothing is smoothed: the thresholds keep the logits of a film near its grade finite.

    Args:
        model: of `efficientnet.build_classifier`, trained in place.
        batches: images, and targets `(B, 4)` of `grades.encode`.
        folder, learning_rate, record: as in `fit`.

    Returns:
        The thresholds of the grades, `grade_thresholds` of `save`.
    """
    with training.beside(model):
        ordinal = grades.build_ordinal(model)
        ordinal.compile(
            training.build_optimizer(record["steps"], learning_rate),
            loss=grades.OrdinalLoss(),
        )
    training.fit(ordinal, batches, folder, record)
    return grades.read_thresholds(ordinal)


def save(
    model,
    folder: Path,
    architecture: dict,
    input_name: str,
    record: dict,
    *,
    segmenters: list[dict] | None = None,
    grade_thresholds: list[float] | None = None,
) -> Path:
    """Write the model with its manifest.

    `segmenters` are as in `train_windows`, by default the shipped one for all inputs
    but `"whole"`; `grade_thresholds` come from `fit_grades`, where it learnt grades.
    """
    if segmenters is None:
        lungs = [] if input_name == "whole" else segmenter.load_segmenters()
        segmenters = [one.describe() for one in lungs]
    manifest = {
        "kind": "classifier",
        "architecture": architecture,
        "input": input_name,
        "segmenters": segmenters,
        "preprocessing": preprocessing.DESCRIPTION,
        "output": "probability of the label `rds` of the training data",
        "threshold": 0.5,
        "training": record,
    }
    if grade_thresholds is not None:
        manifest[grades.ENTRY] = grade_thresholds
    saved = model_store.save_model(model, folder, manifest)
    training.forget_backup(folder)
    return saved
