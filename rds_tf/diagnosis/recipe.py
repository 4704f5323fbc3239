"""How a classifier is trained: on the folds of a cohort, or on phantoms alone."""

import tempfile
from pathlib import Path

import keras

from rds_tf import config, store, training
from rds_tf.data import pipeline, prepare, preprocessing
from rds_tf.diagnosis import classifier, efficientnet
from rds_tf.phantoms import dataset

LEARNING_RATE = 5e-4
SHIPPED = {"backbone": "B0", "image_size": 128}
STARTS = ("auto", "imagenet", "phantom", "scratch")


def train_fold(
    prepared: str | Path,
    out: str | Path,
    fold: int,
    profile: config.Profile,
    backbone: str = "B0",
    input_name: str = "whole",
    start: str = "auto",
    segmenters: str | Path = config.SAVED_MODELS,
) -> Path:
    """Train an EfficientNet on every fold but one.

    Args:
        prepared: folder written by `prepare`.
        out: folder that receives `classifier_<backbone>_<input>_fold_<fold>`.
        fold: int, the fold held out; it is not looked at.
        profile: sizes of the run.
        backbone: `"B0"`, `"B3"` or `"B5"`.
        input_name: `"whole"`, or `"combined"` with the lungs found by a segmenter
            that did not see the case.
        start: `"imagenet"`, `"phantom"` (the shipped classifier), `"scratch"`, or
            `"auto"`: the first of them that is to be had.
        segmenters: where the segmenters for `"combined"` lie.

    Returns:
        The model's folder.
    """
    table = prepare.load_manifest(prepared)
    table = table[table["fold"] != fold]
    if table["rds"].nunique() < 2:
        raise ValueError(f"{prepared}: outside fold {fold} there is one class only.")
    masks = None
    if input_name == "combined":
        masks = classifier.predict_masks(prepared, table, segmenters)
    config.set_seed(fold)
    architecture = {
        "backbone": backbone,
        "image_size": profile.classifier_px[backbone],
    }
    windows = classifier.load_frames(
        prepared, table, input_name, architecture["image_size"], masks
    )
    model = efficientnet.build_classifier(**architecture)
    begun = load_start(model, architecture, start)
    batches = pipeline.classification_dataset(
        windows, table["rds"], profile.batch_size, training=True
    )
    folder = Path(out) / f"classifier_{backbone}_{input_name}_fold_{fold}"
    record = {
        "data": f"{len(table)} films of a cohort in five folds",
        "held_out_fold": fold,
        "start": begun,
        "steps": profile.classifier_steps,
        "seen": [pixels[:16] for pixels in table["pixel_sha256"]],
    }
    fit(model, batches, folder, LEARNING_RATE, record)
    return save(model, folder, architecture, input_name, record)


def load_start(model, architecture: dict, start: str = "auto") -> str:
    """Load the weights that training starts from and say which they are.

    Returns:
        `"imagenet"`, `"phantom"` or `"scratch"`; what could not be had is printed.

    Raises:
        ValueError: if `start` is not one of `STARTS`, or is one that was asked for
            by name and is not to be had.
    """
    if start not in STARTS:
        raise ValueError(f"`start` must be one of {STARTS}. Received: {start!r}")
    begun, warnings = "scratch", []
    if start in ("auto", "imagenet"):
        begun, warning = efficientnet.load_start(model, architecture["backbone"])
        warnings.append(warning.split(";")[0])
    if begun == "scratch" and start in ("auto", "phantom"):
        begun, warning = _load_shipped(model, architecture)
        warnings.append(warning)
    if start not in ("auto", begun):
        raise ValueError(f"The {start} start is not to be had: {warnings[-1]}")
    for warning in filter(None, warnings):
        print(warning.rstrip(".") + ".")
    return begun


def _load_shipped(model, architecture: dict) -> tuple[str, str]:
    """Go on from the shipped classifier if it has the same architecture."""
    try:
        for one in classifier.load_classifiers():
            if one.manifest["architecture"] == architecture:
                model.set_weights(one.model.get_weights())
                return "phantom", ""
    except store.ModelError as error:
        return "scratch", str(error)
    return "scratch", f"No shipped classifier fits {architecture}, so from scratch"


def train_on_phantoms(
    out: str | Path, num_cases: int = 1500, num_steps: int = 600, seed: int = 0
) -> Path:
    """Train the classifier that is shipped, on a phantom cohort through its lungs.

    The tube is drawn without any link to RDS, so that it tells nothing.

    Args:
        out: folder that receives `rds_classifier/`; the segmenter in it, or else the
            shipped one, finds the lungs.
        num_cases: int, films of the phantom cohort.
        num_steps: int, steps of 16 images.
        seed: int.
    """
    out = Path(out)
    with tempfile.TemporaryDirectory() as scratch:
        cohort, prepared = Path(scratch) / "cohort", Path(scratch) / "prepared"
        dataset.write_cohort(cohort, num_cases, seed + 1, 0.0, 256, num_workers=2)
        prepare.prepare(cohort / "cohort.csv", prepared, cohort, num_workers=2)
        table = prepare.load_manifest(prepared)
        masks = classifier.predict_masks(prepared, table, out)
        size = SHIPPED["image_size"]
        windows = classifier.load_frames(prepared, table, "combined", size, masks)
    config.set_seed(seed)
    model = efficientnet.build_classifier(**SHIPPED)
    begun, _ = efficientnet.load_start(model, SHIPPED["backbone"])
    batches = pipeline.classification_dataset(windows, table["rds"], 16, training=True)
    folder = out / "rds_classifier"
    record = {
        "data": f"{num_cases} phantoms, no real film",
        "start": begun,
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    fit(model, batches, folder, 2 * LEARNING_RATE, record)
    return save(model, folder, SHIPPED, "combined", record)


def fit(model, batches, folder: Path, learning_rate: float, record: dict):
    """Compile with binary cross-entropy and fit for the record's steps."""
    model.compile(
        training.build_optimizer(record["steps"], learning_rate),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=0.02),
        metrics=["accuracy"],
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
    return store.save_model(model, folder, manifest)
