"""How a segmenter is trained: on the folds of a cohort, or on phantoms alone."""

import os
from pathlib import Path

import numpy as np

from rds_tf import config, engine, store, training
from rds_tf.data import pipeline, prepare, preprocessing
from rds_tf.lungs import unet
from rds_tf.phantoms import phantom

LEARNING_RATE = 2e-3
SHIPPED = {"image_size": 128, "filters": 16}


def train_fold(
    prepared: str | Path,
    out: str | Path,
    fold: int,
    profile: config.Profile,
    start: str = "auto",
) -> Path:
    """Train a U-Net on every fold but one.

    Args:
        prepared: folder written by `prepare`.
        out: folder that receives the model's folder `segmenter_fold_<fold>`.
        fold: int, the fold held out; it is not looked at.
        profile: sizes of the run.
        start: `"phantom"` goes on from the shipped segmenter, `"auto"` does where
            its architecture is the profile's, `"scratch"` never does.

    Returns:
        The model's folder.

    Raises:
        ValueError: if there is no film to train on, or `start` cannot be had.
    """
    if start not in ("auto", "phantom", "scratch"):
        raise ValueError(
            f"A segmenter starts from auto, phantom or scratch. Received: {start!r}"
        )
    table = prepare.load_manifest(prepared)
    table = table[(table["fold"] != fold) & (table["mask"] != "")]
    if table.empty:
        raise ValueError(f"{prepared}: there is no outlined film outside fold {fold}.")
    config.set_seed(fold)
    images, masks = pipeline.load_arrays(
        prepared, table, profile.segmenter["image_size"]
    )
    model = unet.build_unet(**profile.segmenter)
    begun = start if start == "scratch" else load_start(model, profile.segmenter)
    if start == "phantom" and begun != "phantom":
        raise ValueError("The phantom start asked for is not to be had.")
    rate = LEARNING_RATE if begun == "scratch" else LEARNING_RATE / 2
    folder = Path(out) / f"segmenter_fold_{fold}"
    dataset = pipeline.segmentation_dataset(
        images, masks, profile.batch_size, training=True
    )
    record = {
        "data": f"{len(table)} films of a cohort in five folds",
        "held_out_fold": fold,
        "start": begun,
        "steps": profile.segmenter_steps,
        "seen": [pixels[:16] for pixels in table["pixel_sha256"]],
    }
    fit(model, dataset, folder, rate, record)
    return save(model, folder, profile.segmenter, record)


def load_start(model, architecture: dict) -> str:
    """Load the shipped weights if they fit and say which start it is."""
    try:
        folder = store.find_models(config.SAVED_MODELS, "segmenter")[0]
        shipped, manifest = store.load_model(folder, "segmenter", unet.build_unet)
    except store.ModelError as error:
        print(f"No shipped segmenter ({error}) Training from scratch.")
        return "scratch"
    if manifest["architecture"] != architecture:
        print(
            f"The shipped segmenter is {manifest['architecture']}, this run's is "
            f"{architecture}. Training from scratch."
        )
        return "scratch"
    model.set_weights(shipped.get_weights())
    return "phantom"


def train_on_phantoms(
    out: str | Path, num_phantoms: int = 6000, num_steps: int = 2500, seed: int = 0
) -> Path:
    """Train the segmenter that is shipped: phantoms only, no real film.

    Args:
        out: folder that receives `lung_segmenter/`.
        num_phantoms: int, phantoms drawn once and augmented ever anew.
        num_steps: int, steps of 16 images.
        seed: int.
    """
    config.set_seed(seed)
    size = SHIPPED["image_size"]
    images, masks = draw_phantoms(num_phantoms, size, seed)
    model = unet.build_unet(**SHIPPED)
    dataset = pipeline.segmentation_dataset(images, masks, 16, training=True)
    folder = Path(out) / "lung_segmenter"
    record = {
        "data": f"{num_phantoms} phantoms, no real film",
        "start": "scratch",
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    fit(model, dataset, folder, LEARNING_RATE, record)
    return save(model, folder, SHIPPED, record)


def draw_phantoms(num_phantoms: int, size: int, seed: int):
    """Draw training phantoms in all cores, uint8 `(N, size, size, 1)` each."""
    seeds = [((seed + 1) * 1_000_000 + index, size) for index in range(num_phantoms)]
    groups = [seeds[at : at + 50] for at in range(0, num_phantoms, 50)]
    workers = os.cpu_count() or 1
    outcomes = engine.map_items(_draw_group, groups, workers, "phantoms x 50")
    images, masks = zip(*(outcome.value for outcome in outcomes), strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _draw_group(group: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    made = [phantom.make_training_phantom(seed, size) for seed, size in group]
    images = [np.round(255 * preprocessing.stretch(one.image)) for one in made]
    images = np.stack(images).astype("uint8")[..., None]
    return images, np.stack([one.mask for one in made])[..., None]


def fit(model, dataset, folder: Path, learning_rate: float, record: dict):
    """Compile with Dice + BCE and fit for the record's steps."""
    optimizer = training.build_optimizer(record["steps"], learning_rate)
    model.compile(optimizer, loss=unet.DiceBCE(), metrics=[unet.LungIoU()])
    return training.fit(model, dataset, folder, record)


def save(model, folder: Path, architecture: dict, record: dict) -> Path:
    """Write the model with its manifest."""
    manifest = {
        "kind": "segmenter",
        "architecture": architecture,
        "preprocessing": preprocessing.DESCRIPTION,
        "output": "lung probability; the lung behind the heart counts as lung",
        "training": record,
    }
    return store.save_model(model, folder, manifest)
