"""Time a training as we run it beside a bare `fit` on arrays in memory.

    python benchmarks/training_step.py [--rounds 5] [--json FILE]

Ours is `fit` as we train, with all that goes with it: augmented batches of tf.data,
progress bar, history, and the backup after an epoch. The peer is the same network,
compiled alike, in a bare `keras.Model.fit` on float32 arrays of the same number of
batches, silent, with no callback. Batches of 16, 128 and 256 px, in turns in one
process; the ratio is the median of the rounds' ratios: one call may take half as long
again as the next. The first call of each, which lays the step into a graph, has a row
of its own.

One call is the few epochs and steps of `CASES`, less than the quick profile's. It ends
with a backup, as every training does: no training writes more of them in its
time, see `backup`.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import claims
import keras
import numpy as np

from rds_tf import config, training
from rds_tf.classification import classifier_training, efficientnet
from rds_tf.data import pipeline
from rds_tf.lungs import segmenter_training, unet
from rds_tf.parallel import memory

BATCH = 16
# Network, pixels, epochs, steps an epoch.
CASES = (
    ("U-Net", 128, 1, 8),
    ("U-Net", 256, 1, 2),
    ("B0", 128, 3, 6),
    ("B0", 256, 1, 3),
)


def main():
    """Time every network at every size, print a row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    memory.keep_freed()  # as `python -m rds_tf` does
    rows = []
    for name, size, epochs, steps in CASES:
        config.set_seed(0)
        with mock.patch.object(config, "NUM_EPOCHS", epochs):
            seconds = measure(build_arms(name, size, epochs, steps), options.rounds)
        (first, *ours), (first_bare, *bare) = seconds
        ratio = statistics.median(b / a for a, b in zip(ours, bare, strict=True))
        films = BATCH * epochs * steps
        rows.append(
            claims.make_row(
                f"training {name}, {size} px, beside a bare fit",
                ours=films / statistics.median(ours),
                unit="films a second",
                ratio=ratio,
                must=">= 0.95",
                peer=films / statistics.median(bare),
            )
        )
        beside = {"unit": "s", "ratio": first / first_bare, "peer": first_bare}
        work = f"training {name}, {size} px, first call, beside a bare fit's"
        rows.append(claims.make_row(work, ours=first, **beside))
        print(f"{name} {size} px: {ratio:.3f}", file=sys.stderr)
    claims.publish(rows, options.json)


def build_arms(name: str, size: int, epochs: int, steps: int) -> tuple:
    """Return the two trainings of one network, a call of `epochs` epochs each."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH * steps, size, size, 1), "uint8")
    if name == "U-Net":
        answers = (images > 128).astype("uint8")
        batches = pipeline.segmentation_dataset(images, answers, BATCH, training=True)
        trainer, build = segmenter_training, unet.build_unet
    else:
        answers = np.arange(len(images)) % 2
        batches = pipeline.classification_dataset(images, answers, BATCH, training=True)
        trainer, build = classifier_training, efficientnet.build_classifier
    record = {"steps": epochs * steps}
    ours, bare = build(image_size=size), build(image_size=size)
    with tempfile.TemporaryDirectory() as scratch, mock.patch.object(training, "fit"):
        for model in (ours, bare):  # compiled as ours is, not yet fitted
            trainer.fit(model, batches, Path(scratch), 1e-3, record)
    films, answers = images.astype("float32") / 255, answers.astype("float32")

    def run_ours():
        # Every call trains anew.
        with tempfile.TemporaryDirectory() as scratch:
            training.fit(ours, batches, scratch, record)

    def run_bare():
        bare.fit(films, answers, batch_size=BATCH, epochs=epochs, verbose=0)

    return run_ours, run_bare


def measure(arms, rounds: int) -> list[list[float]]:
    """Return the seconds of each arm's calls, in turns, the first of them apart."""
    seconds = [[] for _ in arms]
    with mock.patch.object(sys.stderr, "isatty", lambda: True):  # a progress bar
        for _ in range(rounds + 1):
            for run, kept in zip(arms, seconds, strict=True):
                start = time.perf_counter()
                run()
                kept.append(time.perf_counter() - start)
    keras.backend.clear_session()
    return seconds


if __name__ == "__main__":
    main()
