"""What all trainings share: the job, the optimizer, epochs of fixed steps, backups."""

import contextlib
import hashlib
import io
import json
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from rds_tf import config, errors
from rds_tf.parallel import local
from rds_tf.storage import disk, model_store


@dataclass(frozen=True)
class Job:
    """The training of one model with one fold held out, here or on another machine.

    Attributes:
        train: trains and writes the model into the job's `folder`.
        arm: what to train, an `Arm` of `segmenter_training` or `classifier_training`.
        fold: int, held out.
        name: of the model's folder below `out`.
        title: what messages call it, such as `"B0 combined, fold 3"`.
        prepared: folder written by `prepare`.
        out: folder of all jobs.
        profile: sizes of the run.
        record: what the model depends on, as JSON values: data, sizes, start. It is
            saved in the manifest, to know the finished training again.
        segmenters: folder of those that find the lungs, None where none are needed.
        num_threads: int, cores of its process, or None for TensorFlow's choice.
        start: the weights to start from, where that was decided for all jobs at once.
        leaves: files in `folder` without which the job is not done.
    """

    train: Callable[["Job"], None]
    arm: Any
    fold: int
    name: str
    title: str
    prepared: Path
    out: Path
    profile: config.Profile
    record: dict
    segmenters: Path | None = None
    num_threads: int | None = None
    start: str = ""
    leaves: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the model goes."""
        return self.out / self.name

    @property
    def reads(self) -> list[Path]:
        """A file that must be the same on every machine, see `remote_task`."""
        return [self.prepared / "manifest.csv"]

    @property
    def takes(self) -> list[Path]:
        """The cached lung masks that its input is cut with, see `remote_task`."""
        return sorted((self.out / "masks").glob("*.*")) if self.segmenters else []


def hash_values(values) -> str:
    """Hash JSON values, to know them again: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def is_done(job: Job, *, again: bool = False) -> bool:
    """Say whether the job's model is there, trained as the job would train it.

    With `again` it never is.

    Raises:
        InputError: a finished model of another training is there.
        model_store.ModelError: its manifest is damaged.
    """
    if again or not (job.folder / model_store.MANIFEST).is_file():
        return False
    known = model_store.read_manifest(job.folder)["training"].get("record")
    differing = [name for name in known or () if known[name] != job.record.get(name)]
    if known is None or differing:
        what = f"its {' and '.join(differing)} differ" if known else "without a record"
        raise errors.InputError(
            f"{job.folder}: holds a finished model of another training ({what}); name "
            "another folder, or train it again with --again (`again=True`)."
        )
    return all((job.folder / name).is_file() for name in job.leaves)


def run(
    jobs: list[Job],
    *,
    executor: local.Executor = local,
    num_workers: int = 1,
    again: bool = False,
) -> None:
    """Train what is not trained yet: one model here, several each in a fresh process.

    Args:
        jobs: of one `out`.
        executor: `parallel.local`, or what `ray_cluster.choose_executor` returns.
        num_workers: int, trainings at once.
        again: bool, train those too that are finished.

    Raises:
        InputError: a folder holds a finished model of another training.
        RunError: a training failed; the others are done.
    """
    waiting = [job for job in jobs if not is_done(job, again=again)]
    for job in jobs:
        if job not in waiting:
            print(f"{job.folder}: {job.title}, was trained before and stays.")
        elif (job.folder / model_store.MANIFEST).is_file():
            print(f"{job.folder}: {job.title}, is trained again and written over.")
    if len(jobs) == 1 and executor is local:
        for job in waiting:
            job.train(job)
        return
    check(executor.map_isolated(_train, waiting, num_workers, "trainings"))


def _train(job: Job) -> None:
    """Train in this process, which does nothing else."""
    import tensorflow as tf

    if job.num_threads:
        tf.config.threading.set_intra_op_parallelism_threads(job.num_threads)
    job.train(job)


def check(outcomes: list[local.Outcome]) -> None:
    """Raise RunError if a training failed."""
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        raise errors.RunError(
            f"{len(failed)} of {len(outcomes)} trainings failed, run the same command "
            f"again for the rest. The first: {failed[0].error}"
        )


def spread(devices: list[str] | None = None):
    """Return the context in which a model is built, so that all GPUs share a batch.

    With one GPU or none it does nothing. With more, each takes a part of every batch
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

    It goes on from its last `Backup` and ends with the very weights of an undisturbed
    one, where its arithmetic is deterministic.

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
        backup = Backup(folder, record | shapes, callbacks)
        model.optimizer.build(model.trainable_variables)  # else fit traces twice
        epochs_done = backup.restore(model)
        history = model.fit(
            dataset.skip(epochs_done * steps),
            initial_epoch=epochs_done,
            epochs=config.NUM_EPOCHS,
            steps_per_epoch=steps,
            shuffle=False,  # the dataset shuffles
            callbacks=[*callbacks, backup],
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
    """
    norm = keras.layers.BatchNormalization
    layers = [layer for layer in model.layers if isinstance(layer, norm)]
    scale = 255 if images.dtype == np.uint8 else 1
    momenta = [layer.momentum for layer in layers]
    for seen in range(0, len(images), batch_size):
        batch = images[seen : seen + batch_size].astype("float32") / scale
        for layer in layers:
            layer.momentum = seen / (seen + len(batch))  # every image weighs the same
        model(batch, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


BACKUP_NAME = "backup.npz"
BACKUP_SECONDS = 10  # a B0 takes 0.1 s: more often, it would cost a short epoch 5 %


def forget_backup(folder: str | Path) -> None:
    """Delete the backup of a training whose model is saved."""
    (Path(folder) / BACKUP_NAME).unlink(missing_ok=True)


class Backup(keras.callbacks.Callback):
    """Keeps the state of a training in one file, and its losses in another."""

    def __init__(self, folder: Path, record: dict, callbacks=()):
        """Write into `folder`; `callbacks` are the other ones of the run `record`."""
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
        """Restore the saved state of this run; return how many epochs it has done."""
        if not self.path.is_file():
            return 0
        try:
            file = io.BytesIO(self.path.read_bytes())
            with np.load(file, allow_pickle=False) as saved:
                text, *arrays = (saved[name] for name in saved.files)
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
