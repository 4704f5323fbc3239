"""What every training run shares: optimizer, epochs of fixed steps, callbacks."""

import sys
from pathlib import Path

import keras

NUM_EPOCHS = 10  # reports and checkpoints a run, whatever its number of steps


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


def fit(model, dataset, num_steps: int, folder: str | Path):
    """Fit a compiled model for `num_steps` steps of an endless dataset.

    Args:
        model: compiled Keras model.
        dataset: `tf.data.Dataset` that repeats without end.
        num_steps: int, training steps in all.
        folder: where `history.csv` goes, and the backup a killed run resumes from.

    Returns:
        The Keras `History`.
    """
    return model.fit(
        dataset,
        epochs=NUM_EPOCHS,
        steps_per_epoch=max(1, num_steps // NUM_EPOCHS),
        shuffle=False,  # the dataset shuffles
        callbacks=build_callbacks(folder),
        verbose=1 if sys.stderr.isatty() else 2,
    )
