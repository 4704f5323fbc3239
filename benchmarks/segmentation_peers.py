"""Train our U-Net and a segmentation-models U-Net on the same films, as long.

    python benchmarks/segmentation_peers.py PREPARED [--steps 400] [--json FILE]

PREPARED is what `rds-tf prepare` wrote; fold 0 is held out. Ours goes on from
the shipped segmenter. The peer is trained as the documentation of segmentation-models
does it (resnet34 encoder, its own preprocessing, Adam, `bce_jaccard_loss`, batch 16, no
augmentation), for the same minutes, from random weights where ImageNet's cannot be had.
Printed: lung IoU on the held-out films with 95 % intervals by patient, and the paired
difference.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("SM_FRAMEWORK", "tf.keras")

import keras
import numpy as np
import segmentation_models

from rds_tf import config
from rds_tf.data import pipeline, prepare
from rds_tf.lungs import evaluation, segmenter, segmenter_training
from rds_tf.stats import metrics
from rds_tf.storage import disk

SIZE = 128
ANGLES = (0, 45)


class Peer:
    """A segmentation-models U-Net behind the door of our segmenter."""

    input_shape = (None, SIZE, SIZE, 1)

    def __init__(self, model, preprocess):
        """Keep the model and its own preprocessing."""
        self.model, self.preprocess = model, preprocess

    def predict_on_batch(self, batch):
        """Return probabilities `(B, S, S, 1)` of images `(B, S, S, 1)` in [0, 1]."""
        rgb = self.preprocess(np.repeat(255 * batch, 3, -1))
        return self.model.predict_on_batch(rgb)


class Clock(keras.callbacks.Callback):
    """Stop after some seconds of wall time."""

    def __init__(self, seconds: float):
        """Start the clock."""
        super().__init__()
        self.end = time.monotonic() + seconds

    def on_train_batch_end(self, batch, logs=None):
        """Stop when time is up."""
        if time.monotonic() > self.end:
            self.model.stop_training = True


def main():
    """Train both in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--steps", type=int, default=400, help="of ours")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = prepare.load_manifest(options.prepared)
    table = table[table["mask"] != ""]
    test, train = table[table["fold"] == 0], table[table["fold"] != 0]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        profile = config.load_profile("quick", options.steps)
        arm = segmenter_training.Arm("phantom")
        (job,) = segmenter_training.list_jobs(
            options.prepared, folder, arm, profile, folds=[0]
        )
        segmenter_training.train_films(job, train, arm.start)
        ours = segmenter.load_segmenter(job.folder).model
    seconds = time.monotonic() - begin
    peer = train_peer(options.prepared, train, seconds)
    print(f"{seconds:.0f} s of training each, {len(train)} films, {len(test)} held out")
    rows = [compare(ours, peer, options.prepared, test, angle) for angle in ANGLES]
    if options.json:
        disk.write_json(options.json, {"seconds": seconds, "rows": rows})


def train_peer(prepared: Path, train, seconds: float) -> Peer:
    """Train the peer for the given time, starting the clock before it is built."""
    clock = Clock(seconds)
    images, masks = pipeline.load_arrays(prepared, train, SIZE)
    preprocess = segmentation_models.get_preprocessing("resnet34")
    shape = (SIZE, SIZE, 3)
    try:
        model = segmentation_models.Unet(
            "resnet34", input_shape=shape, encoder_weights="imagenet"
        )
    except Exception as error:  # whatever a download may raise
        print(f"No ImageNet weights ({type(error).__name__}): random ones.")
        model = segmentation_models.Unet(
            "resnet34", input_shape=shape, encoder_weights=None
        )
    model.compile("Adam", loss=segmentation_models.losses.bce_jaccard_loss)
    inputs = preprocess(np.repeat(images.astype("float32"), 3, -1))
    model.fit(
        inputs,
        masks.astype("float32"),
        batch_size=16,
        epochs=1000,
        callbacks=[clock],
        verbose=0,
    )
    return Peer(model, preprocess)


def compare(ours, peer, prepared: Path, test, angle: float) -> dict:
    """Print and return both at one angle, and what ours gains."""
    column = evaluation.SCORES.index("lung_iou")
    patients = test["patient_id"].to_numpy()
    arms = {
        "ours, bare network": (ours, "none"),
        "peer, bare network": (peer, "none"),
        "ours, median+rotate": (ours, "median+rotate"),
        "peer, median+rotate": (peer, "median+rotate"),
    }
    values = {
        name: evaluation.score_cases(model, prepared, test, angle, (step,))[step][
            :, column
        ]
        for name, (model, step) in arms.items()
    }
    row = {"angle": angle}
    for name, ious in values.items():
        row[name] = metrics.bootstrap_interval(ious, groups=patients)
    for step in ("bare network", "median+rotate"):
        gain = values[f"ours, {step}"] - values[f"peer, {step}"]
        row[f"ours - peer, {step}"] = metrics.bootstrap_interval(gain, groups=patients)
    for name, score in row.items():
        if name != "angle":
            sign = "+" if " - " in name else ""
            parts = (f"{score[part]:{sign}.3f}" for part in ("value", "low", "high"))
            text = "{} ({} to {})".format(*parts)
            print(f"{angle:>4} degrees  {name:<28} {text}")
    return row


if __name__ == "__main__":
    main()
