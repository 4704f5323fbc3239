"""What every training run shares: optimizer, epochs of fixed steps, callbacks."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from rds_tf import backup, config, engine


@dataclass(frozen=True)
class Fold:
    """The training of one fold, as work for another machine; see `errand`.

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


def train_folds(work: Fold, folds, machines=engine) -> Iterator[tuple[int, str]]:
    """Train folds one after the other here, or at the same time on a cluster.

    Args:
        work: one of them.
        folds: ints, held out one at a time.
        machines: `engine`, or what `cluster.choose` returns.

    Yields:
        `(fold, name)`: what is held out, and the name of its model's folder.

    Raises:
        RuntimeError: trainings of a cluster failed; the others' models are home.
    """
    work = [replace(work, fold=fold) for fold in folds]
    if machines is engine:
        yield from ((one.fold, train_fold(one)) for one in work)
        return
    cores = machines.count_cores()
    outcomes = machines.map_apart(train_fold, work, cores, "trainings")
    failed = [f"fold {one.item.fold}: {one.error}" for one in outcomes if one.error]
    yield from ((one.item.fold, one.value) for one in outcomes if not one.error)
    if failed:
        raise RuntimeError(" ".join(failed))


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
        folder: where `history.csv` goes, and `backup.npz` until `backup.forget` is
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
    with engine.claim(folder), beside(model):
        shapes = {"shapes": [model.input_shape, model.count_params()]}
        keeper = backup.Keeper(folder, record | shapes, callbacks)
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
