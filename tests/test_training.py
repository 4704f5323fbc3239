import csv
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rds_tf import config, training
from rds_tf.classification import classifier_training
from rds_tf.lungs import segmenter_training


def test_the_learning_rate_warms_up_and_then_falls_to_a_hundredth():
    schedule = training.build_optimizer(1000, 1e-2)._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 525, 1000, 9000)]
    assert rates[0] == pytest.approx(5e-4)
    assert rates[1] == pytest.approx(1e-2)
    assert rates[2] == pytest.approx(0.505e-2, rel=0.01)  # half way down the cosine
    assert rates[3] == rates[4] == pytest.approx(1e-4, rel=0.01)


def test_the_learning_rate_is_looked_up_as_keras_works_it_out_without_a_branch():
    schedule = training.build_optimizer(40, 1e-2)._learning_rate
    decay = keras.optimizers.schedules.CosineDecay(5e-4, 38, 0.01, "", 1e-2, 2)
    whole = tf.function(schedule).get_concrete_function(tf.TensorSpec((), "int32"))
    steps = tf.range(41)
    assert [float(whole(step)) for step in steps] == [float(decay(k)) for k in steps]
    assert not [op for op in whole.graph.get_operations() if "If" in op.type]


@pytest.mark.parametrize("module", [segmenter_training, classifier_training])
def test_a_training_traces_its_step_once(tmp_path, module):
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(inputs))
    step, traced = model.train_step, []
    model.train_step = lambda data: traced.append(1) or step(data)
    answers = np.ones((8, 4, 4, 1), "float32")
    data = tf.data.Dataset.from_tensor_slices((answers, answers)).repeat().batch(4)
    module.fit(model, data, tmp_path, 0.1, {"steps": 10})
    assert len(traced) == 1


def test_fit_takes_the_steps_asked_for_and_writes_its_history(tmp_path):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(training.build_optimizer(20, 0.1), loss="mse")
    x = np.linspace(-1, 1, 8, dtype="float32")[:, None]
    data = tf.data.Dataset.from_tensor_slices((x, 2 * x)).repeat().batch(4)
    training.fit(model, data, tmp_path, {"steps": 20})
    assert int(model.optimizer.iterations) == 20
    with open(tmp_path / "history.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == config.NUM_EPOCHS
    assert losses[-1] < losses[0]


class Kill(keras.callbacks.Callback):
    """Stops a training in the middle of an epoch, as a closed session does."""

    def __init__(self, step):
        super().__init__()
        self.steps = iter(range(step - 1))  # no number, which a backup would keep

    def on_train_batch_end(self, batch, logs=None):
        if next(self.steps, None) is None:
            raise KeyboardInterrupt


@pytest.fixture
def every_epoch_is_kept(monkeypatch):
    monkeypatch.setattr(training, "BACKUP_SECONDS", 0)


def build_with_all_that_makes_resuming_hard():
    config.set_seed(3)
    inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.4)(keras.layers.Dense(8)(inputs))
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.AdamW(1e-2), loss="mse")
    return model


def train(folder, steps_to_kill=None, record=None):
    model = build_with_all_that_makes_resuming_hard()
    rng = np.random.default_rng(0)
    pair = rng.normal(size=(40, 6)), rng.normal(size=(40, 1))
    data = tf.data.Dataset.from_tensor_slices(pair).shuffle(40, seed=0).repeat()
    callbacks = [keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1)]
    if steps_to_kill:
        callbacks.append(Kill(steps_to_kill))
    record = record or {"steps": 50}
    training.fit(model, data.batch(8), folder, record, callbacks)
    return model


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(folder).get_weights(), (folder / "history.csv").read_bytes()


@pytest.mark.parametrize("kills", [[3], [5], [7, 12, 9], [49]])
def test_a_killed_training_ends_with_the_very_weights(
    tmp_path, undisturbed, every_epoch_is_kept, kills
):
    for steps in kills:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, steps)
    weights = train(tmp_path).get_weights()
    for ours, theirs in zip(weights, undisturbed[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (tmp_path / "history.csv").read_bytes() == undisturbed[1]


def test_a_training_is_kept_until_its_model_is_saved(tmp_path, undisturbed):
    train(tmp_path)  # and then the disk is full, or the run is killed
    model = train(tmp_path, steps_to_kill=1)  # no step is done again
    np.testing.assert_array_equal(model.get_weights()[0], undisturbed[0][0])
    training.forget_backup(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, steps_to_kill=1)


def test_a_backup_comes_no_sooner_than_told_and_then_after_each_epoch(
    tmp_path, undisturbed, monkeypatch
):
    with pytest.raises(KeyboardInterrupt):  # in the third of ten epochs
        train(tmp_path, 12)
    assert not (tmp_path / "backup.npz").exists()
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 2
    clock = iter([0, 4.9, 9.9, 10.0, 10.1, 19.9, 20.0])  # begun; epochs; 10.1 written
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        train(tmp_path, 27)
    with pytest.raises(KeyboardInterrupt):  # three of ten epochs were kept: 35 steps
        train(tmp_path, steps_to_kill=35)
    model = train(tmp_path, steps_to_kill=36)
    np.testing.assert_array_equal(model.get_weights()[0], undisturbed[0][0])


def test_the_backup_of_another_run_is_not_taken(tmp_path, every_epoch_is_kept):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 12, {"steps": 50, "seen": ["a"]})
    model = train(tmp_path, record={"steps": 50, "seen": ["b"]})
    assert int(model.optimizer.iterations) == 50
    assert (tmp_path / "history.csv").read_text().startswith("epoch,loss")


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_damaged_backup_is_told_and_training_begins_anew(
    tmp_path, undisturbed, every_epoch_is_kept, capsys, share
):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 12)
    path = tmp_path / "backup.npz"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    weights = train(tmp_path).get_weights()
    assert "backup.npz: is damaged" in capsys.readouterr().out
    np.testing.assert_array_equal(weights[0], undisturbed[0][0])


def test_refreshed_batch_norm_holds_the_mean_and_variance_of_the_images():
    inputs = keras.Input((2, 2, 1))
    norm = keras.layers.BatchNormalization(epsilon=1e-9)
    model = keras.Model(inputs, norm(inputs))
    norm.set_weights(np.array([[1.0], [0.0], [5.0], [9.0]]))  # far from the images
    images = np.random.default_rng(0).integers(0, 256, (8, 2, 2, 1)).astype("uint8")
    training.refresh_batch_norm(model, images, batch_size=4)
    halves = (images / 255).reshape(2, 4 * 4)
    assert norm.moving_mean.numpy()[0] == pytest.approx(halves.mean(), abs=1e-6)
    expected = halves.var(axis=1).mean()  # of the two batches
    assert norm.moving_variance.numpy()[0] == pytest.approx(expected, abs=1e-6)
    assert norm.momentum == 0.99


def test_a_last_small_batch_weighs_no_more_than_its_images():
    inputs = keras.Input((2, 2, 1))
    norm = keras.layers.BatchNormalization()
    model = keras.Model(inputs, norm(inputs))
    images = np.zeros((5, 2, 2, 1), "float32")
    images[4] = 1  # alone in its batch: a fifth of the images, so a fifth of the mean
    training.refresh_batch_norm(model, images, batch_size=4)
    assert norm.moving_mean.numpy()[0] == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("devices", [[], ["GPU:0"]])
def test_one_gpu_or_none_builds_a_model_as_ever(devices):
    with training.spread(devices):
        assert not tf.distribute.has_strategy()
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with training.beside(model):
        assert not tf.distribute.has_strategy()


TWO_DEVICES = """
import sys
import keras, numpy as np, tensorflow as tf
from rds_tf import config, training
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(*tf.config.list_physical_devices(), halves)
pair = np.random.default_rng(0).normal(size=(2, 40, 1)).astype("float32")
data = tf.data.Dataset.from_tensor_slices(tuple(pair)).repeat().batch(8)
class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 4:
            raise KeyboardInterrupt
def train(folder, devices, callbacks=()):
    config.set_seed(3)
    with training.spread(devices):
        layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        model = keras.Sequential([keras.Input((1,)), *layers, keras.layers.Dense(1)])
    with training.beside(model):
        model.compile(training.build_optimizer(20), loss="mse")
    training.fit(model, data, folder, {"steps": 20}, callbacks)
    return np.concatenate([np.ravel(part) for part in model.get_weights()])
out, two = sys.argv[1], ["CPU:0", "CPU:1"]
whole = train(f"{out}/whole", two)
try:
    train(f"{out}/torn", two, [Stop()])
except KeyboardInterrupt:
    np.testing.assert_array_equal(train(f"{out}/torn", two), whole)
    print(abs(whole - train(f"{out}/one", ["CPU:0"])).max())
"""


def test_a_batch_shared_by_two_devices_trains_on_and_goes_on_when_killed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert 0 < float(done.stdout.splitlines()[-1]) < 0.1  # batch norm sees half a batch
