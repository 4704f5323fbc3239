import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from rds_tf import config, training


def test_the_learning_rate_warms_up_and_then_falls_to_a_hundredth():
    schedule = training.build_optimizer(1000, 1e-2)._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 525, 1000)]
    assert rates[0] == pytest.approx(5e-4)
    assert rates[1] == pytest.approx(1e-2)
    assert rates[2] == pytest.approx(0.505e-2, rel=0.01)  # half way down the cosine
    assert rates[3] == pytest.approx(1e-4, rel=0.01)


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


def test_a_backup_is_kept_for_the_same_run_and_forgotten_by_another(tmp_path):
    training.forget_other_run(tmp_path, {"steps": 20, "seen": ["a"]})
    (tmp_path / "backup").mkdir()
    (tmp_path / "history.csv").write_text("epoch\n0\n")
    training.forget_other_run(tmp_path, {"steps": 20, "seen": ["a"]})
    assert (tmp_path / "backup").is_dir() and (tmp_path / "history.csv").is_file()
    training.forget_other_run(tmp_path, {"steps": 20, "seen": ["b"]})
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "history.csv").exists()


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
