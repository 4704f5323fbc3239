"""What every training run shares: optimizer, epochs of fixed steps, callbacks."""

import contextlib
import io
import json
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from rds_tf import config, errors
from rds_tf.parallel import local
from rds_tf.storage import disk


@dataclass(frozen=True)
class Fold:
    """The training of one fold, as work for another machine; see `remote_task`.

    Attributes:
        train: `train_fold` of a recipe, called with what follows.
        prepared, out, fold: its first arguments.
        rest: tuple, its arguments after the fold.
    """

    train: Callable
    prepared: Path
    out: Path
    rest: tuple
    fold: int = 0

    @property
    def reads(self) -> list[Path]:
        """Stands for the prepared folder."""
        return [self.prepared / "manifest.csv"]


def train_fold(fold: Fold) -> str:
    """Train one fold and return the name of the model's folder below `out`."""
    return fold.train(fold.prepared, fold.out, fold.fold, *fold.rest).name


def train_folds(
    work: Fold, folds, executor: local.Executor = local
) -> Iterator[tuple[int, str]]:
    """Train folds one after the other here, or at the same time on a cluster.

    Args:
        work: one of them.
        folds: ints, held out one at a time.
        executor: `local`, or what `ray_cluster.choose_executor` returns.

    Yields:
        `(fold, name)`: what is held out, and the name of its model's folder.

    Raises:
        RuntimeError: trainings of a cluster failed; the others' models are home.
    """
    work = [replace(work, fold=fold) for fold in folds]
    if executor is local:
        yield from ((one.fold, train_fold(one)) for one in work)
        return
    cores = executor.count_cores()
    outcomes = executor.map_isolated(train_fold, work, cores, "trainings")
    failed = [f"fold {one.item.fold}: {one.error}" for one in outcomes if one.error]
    yield from ((one.item.fold, one.value) for one in outcomes if not one.error)
    if failed:
        raise errors.RunError(" ".join(failed))


def spread(devices: list[str] | None = None):
    """Return the context in which a model is built, so that all GPUs share a batch.

    With one GPU or none it does nothing. With more, each takes its share of every batch
    (`tf.distribute.MirroredStrategy`); sums in another order move weights a little.

    Args:
        devices: names such as `"GPU:0"`, default all GPUs that TensorFlow sees.
    """
    import tensorflow as tf

    if devices is None:
        gpus = tf.config.list_physical_devices("GPU")
        devices = [f"GPU:{index}" for index in range(len(gpus))]
    if len(devices) < 2 or keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    return tf.distribute.MirroredStrategy(devices).scope()


def beside(model):
    """Return the context of `spread` once more, for the model's optimizer."""
    strategy = getattr(model, "distribute_strategy", None)
    several = getattr(strategy, "num_replicas_in_sync", 1) > 1
    return strategy.scope() if several else contextlib.nullcontext()


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
    table = _Table(schedule, num_steps)
    return keras.optimizers.AdamW(table, weight_decay=1e-4, clipnorm=1.0)


class _Table(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rates are worked out beforehand and looked up.

    AdamW asks for the rate once a weight, and Keras' own schedule lays its branches
    into the graph each time: some 200 for a B0.
    """

    def __init__(self, schedule, num_steps: int):
        super().__init__()
        self.schedule, self.last = schedule, num_steps
        rates = [schedule(step) for step in range(num_steps + 1)]
        self.rates = keras.ops.stack(rates)

    def __call__(self, step):
        return keras.ops.take(self.rates, keras.ops.minimum(step, self.last))

    def get_config(self) -> dict:
        return {"schedule": self.schedule, "num_steps": self.last}


def fit(model, dataset, folder: str | Path, record: dict, callbacks=()):
    """Fit a compiled model on an endless dataset; a killed run goes on exactly.

    Killed at any moment and started again, it goes on from its last backup (see
    `backup`) and ends with the very weights of an undisturbed one, where its arithmetic
    is deterministic.

    Args:
        model: compiled Keras model.
        dataset: `tf.data.Dataset` that repeats without end, the same every time.
        folder: where `history.csv` goes, and `backup.npz` until `forget_backup` is
            called: a model that then finds no room is not trained anew.
        record: what makes the run, with its training `steps`; the backup of a run
            with another record, or of a model of other shapes, is not taken.
        callbacks: Keras callbacks, such as `ReduceLROnPlateau`.

    Returns:
        The Keras `History`, of the epochs that were still to do.

    Raises:
        BlockingIOError: another run is training in that folder.
    """
    folder = Path(folder)
    steps = max(1, record["steps"] // config.NUM_EPOCHS)
    with disk.claim(folder), beside(model):
        shapes = {"shapes": [model.input_shape, model.count_params()]}
        keeper = Backup(folder, record | shapes, callbacks)
        model.optimizer.build(model.trainable_variables)  # else fit traces twice
        begun = keeper.restore(model)
        history = model.fit(
            dataset.skip(begun * steps),
            initial_epoch=begun,
            epochs=config.NUM_EPOCHS,
            steps_per_epoch=steps,
            shuffle=False,  # the dataset shuffles
            callbacks=[*callbacks, keeper],
            verbose=1 if sys.stderr.isatty() else 2,
        )
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
    norm = keras.layers.BatchNormalization
    layers = [layer for layer in model.layers if isinstance(layer, norm)]
    scale = 255 if images.dtype == np.uint8 else 1
    kept = [layer.momentum for layer in layers]
    for seen in range(0, len(images), batch_size):
        batch = images[seen : seen + batch_size].astype("float32") / scale
        for layer in layers:
            layer.momentum = seen / (seen + len(batch))  # every image weighs the same
        model(batch, training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum


BACKUP_NAME = "backup.npz"
BACKUP_SECONDS = 10  # a B0 takes 0.1 s: more often, it would cost a short epoch 5 %


def forget_backup(folder: str | Path) -> None:
    """Delete the backup of a training whose model is saved."""
    (Path(folder) / BACKUP_NAME).unlink(missing_ok=True)


class Backup(keras.callbacks.Callback):
    """Keeps the state of a training in one file, and its losses in another."""

    def __init__(self, folder: Path, record: dict, callbacks=()):
        """Keep the state of the run `record` with its other callbacks in `folder`."""
        super().__init__()
        self.path, self.table = folder / BACKUP_NAME, folder / "history.csv"
        self.record = json.dumps(record, sort_keys=True)
        self.others, self.counters, self.rows = list(callbacks), [], []

    def on_train_begin(self, logs=None):
        """Give the other callbacks their counters back, which they have just reset."""
        self.since = time.monotonic()
        for callback, counters in zip(self.others, self.counters, strict=False):
            vars(callback).update(counters)

    def on_epoch_end(self, epoch, logs=None):
        """Write the losses so far, then the state if it is time."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch, **values})
        table = pd.DataFrame(self.rows).to_csv(index=False, lineterminator="\n")
        disk.write_whole(self.table, table.encode())
        last = epoch + 1 == self.params["epochs"]
        if not last and time.monotonic() - self.since < BACKUP_SECONDS:
            return
        state = {"record": self.record, "rows": self.rows, "counters": self._count()}
        arrays = [variable.numpy() for variable in _list_variables(self.model)]
        file = io.BytesIO()
        np.savez(file, json.dumps(state), *arrays)
        disk.write_whole(self.path, file.getbuffer())
        self.since = time.monotonic()

    def restore(self, model) -> int:
        """Put the kept state of this very run back; return the epochs it has done."""
        if not self.path.is_file():
            return 0
        try:
            file = io.BytesIO(self.path.read_bytes())
            with np.load(file, allow_pickle=False) as kept:
                text, *arrays = (kept[name] for name in kept.files)
            state = json.loads(str(text))
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            print(f"{self.path}: is damaged ({error}), so training begins anew.")
            return 0
        if state["record"] != self.record:
            return 0
        for variable, array in zip(_list_variables(model), arrays, strict=True):
            variable.assign(array)
        self.counters, self.rows = state["counters"], state["rows"]
        return len(self.rows)

    def _count(self) -> list[dict]:
        """Return the numbers that the other callbacks keep, such as best and wait."""
        return [
            {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in vars(callback).items()
                if isinstance(value, (bool, int, float, np.number))
            }
            for callback in self.others
        ]


def _list_variables(model) -> list:
    """List all that training changes: weights, random states, the optimizer."""
    return [*model.variables, *model.optimizer.variables]
