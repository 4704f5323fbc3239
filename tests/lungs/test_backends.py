"""The U-Net is pure Keras: it trains on JAX too, and its weights load here."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from rds_tf.lungs import unet
from rds_tf.storage import model_store

TRAIN_ON_JAX = """
import sys
import keras
from rds_phantoms import training as phantoms
from rds_tf import training
from rds_tf.lungs import unet
from rds_tf.storage import model_store

assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
images, masks = phantoms.make_training_arrays(8, 32)
architecture = {"image_size": 32, "filters": 2, "num_masks": 2}
model = unet.build_unet(**architecture)
model.compile(training.build_optimizer(4), unet.DiceBCE(), metrics=[unet.LungIoU()])
model.fit(images / 255.0, masks.astype("float32"), batch_size=4, epochs=2, verbose=0)
manifest = {"kind": "segmenter", "architecture": architecture, "training": {}}
model_store.save_model(model, sys.argv[1], manifest)
print(*model.predict_on_batch(images[:1] / 255.0).ravel())
"""


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)
def test_weights_trained_on_jax_predict_the_same_here(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRAIN_ON_JAX, str(tmp_path / "model")],
        env={"KERAS_BACKEND": "jax", "PATH": "", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    model, _ = model_store.load_model(tmp_path / "model", "segmenter", unet.build_unet)
    from rds_phantoms import training as phantoms

    images, _ = phantoms.make_training_arrays(1, 32)
    here = model.predict_on_batch(images / 255.0).ravel()
    np.testing.assert_allclose(here, np.array(done.stdout.split(), float), atol=1e-4)
