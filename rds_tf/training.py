"""What every training run shares: optimizer, epochs of fixed steps, callbacks."""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from rds_tf import config, engine


def build_optimizer(num_steps: int, learning_rate: float = 1e-3):
    """Return AdamW with a short warm-up and cosine decay over `num_steps`."""
    warmup = max(1, num_steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate / 20,
        decay_steps=max(1, num_steps - warmup),
        alpha=0.01,
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
    return keras.optimizers.AdamW(schedule, weight_decay=1e-4, clipnorm=1.0)


def build_callbacks(folder: str | Path) -> list:
    """Return callbacks that log every epoch and survive a kill at any moment."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True),
        keras.callbacks.CSVLogger(folder / "history.csv", append=True),
    ]


def forget_other_run(folder: str | Path, record: dict) -> None:
    """Throw a backup away that is not this very run's, and its history.

    Args:
        folder: the run's folder.
        record: what makes the run: data, start, steps; it is kept in `run.json`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ours, kept = json.dumps(record, sort_keys=True), folder / "run.json"
    same = kept.is_file() and kept.read_text(encoding="utf-8") == ours
    if not (same and (folder / "backup").is_dir()):
        shutil.rmtree(folder / "backup", ignore_errors=True)
        (folder / "history.csv").unlink(missing_ok=True)
    kept.write_text(ours, encoding="utf-8")


def fit(model, dataset, folder: str | Path, record: dict):
    """Fit a compiled model on an endless dataset; a killed run goes on.

    Args:
        model: compiled Keras model.
        dataset: `tf.data.Dataset` that repeats without end.
        folder: where `history.csv` goes, and the backup a killed run resumes from.
        record: what makes the run, with its training `steps`; the backup of a run
            with another record is not taken.

    Returns:
        The Keras `History`.

    Raises:
        BlockingIOError: another run is training in that folder.
    """
    with engine.claim(folder):
        forget_other_run(folder, record)
        history = model.fit(
            dataset,
            epochs=config.NUM_EPOCHS,
            steps_per_epoch=max(1, record["steps"] // config.NUM_EPOCHS),
            shuffle=False,  # the dataset shuffles
            callbacks=build_callbacks(folder),
            verbose=1 if sys.stderr.isatty() else 2,
        )
        (Path(folder) / "run.json").unlink()
        shutil.rmtree(Path(folder) / "backup", ignore_errors=True)
    return history


def refresh_batch_norm(model, images, batch_size: int = 48) -> None:
    """Take the statistics of batch normalisation anew, from images as they are.

    Training leaves running means of augmented batches behind, and in a short one of the
    weights it started from too; a network then answers all films too low or too high.
    Here they become plain means over the given images ("precise" batch normalisation,
    Wu and Johnson 2021, arXiv:2105.07576). Weights stay as they are.

    Args:
        model: Keras model, changed in place.
        images: float32 or uint8 `(N, S, S, 1)`, the training images, not augmented, in
            mixed order; uint8 is scaled from 0 to 255 to `[0, 1]`.
        batch_size: int.
    """
    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    scale = 255 if images.dtype == np.uint8 else 1
    kept = [layer.momentum for layer in layers]
    for index, start in enumerate(range(0, len(images), batch_size)):
        for layer in layers:
            layer.momentum = index / (index + 1)
        batch = images[start : start + batch_size].astype("float32") / scale
        model(batch, training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum
