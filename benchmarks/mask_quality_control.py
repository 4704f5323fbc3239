"""Does the quality score find bad masks? On phantoms, and on outlined films.

    python benchmarks/mask_quality_control.py [--phantoms 200] [--prepared PREPARED]
        [--every 3]

The shipped segmenter sees each film as it is and spoiled in four ways: noise, a blank
patch, blur, overexposure. A mask is bad where its Dice with the truth is below 0.8.
Printed for phantoms, and for the outlined films of PREPARED if given (every N-th): how
many bad masks the score catches at its own bound and at 10 % false alarms, and the
bound that lets nine of ten good masks through.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from rds_phantoms import training
from rds_tf.data import prepare
from rds_tf.lungs import evaluation, quality_control, segmenter
from rds_tf.stats import metrics

STEP = "median+rotate"
KINDS = ("as it is", "noise", "blank", "blur", "overexposed")
FIRST_SEED = 77_000_000  # far from the seeds of training


def main():
    """Measure mask quality control on both kinds of radiographs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", type=int, default=200)
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--every", type=int, default=3)
    options = parser.parse_args()
    made = [
        training.make_training_phantom(FIRST_SEED + index, 256)
        for index in range(options.phantoms)
    ]
    report("phantoms", [(one.image, one.mask) for one in made if one.mask.any()])
    if options.prepared:
        table = prepare.load_manifest(options.prepared)
        rows = table[table["mask"] != ""].iloc[:: options.every]
        pairs = [
            evaluation.read_case(options.prepared, row) for row in rows.itertuples()
        ]
        films = [(image, (mask > 0.5).astype("uint8")) for image, mask in pairs]
        report("outlined films", films)


def report(name: str, films: list) -> None:
    """Segment, judge and print."""
    model = segmenter.load_segmenter().model
    rng = np.random.default_rng(0)
    dice, quality = {}, {}
    for kind in KINDS:
        dice[kind], quality[kind] = [], []
        for image, truth in tqdm(films, f"{name}, {kind}", disable=None):
            spoiled = spoil(rng, image, kind)
            (found,) = segmenter.segment_steps(model, [spoiled], (STEP,))[STEP]
            dice[kind].append(metrics.dice(truth, found.mask))
            quality[kind].append(found.quality)
    for kinds, label in ((KINDS[:1], "as they are"), (KINDS, "with the spoiled")):
        scores = np.concatenate([dice[kind] for kind in kinds])
        qualities = np.concatenate([quality[kind] for kind in kinds])
        judged = quality_control.judge_quality(scores, qualities)
        bound = np.quantile(qualities[scores >= quality_control.BAD_DICE], 0.1)
        print(f"{name} {label}: {judged}, bound of nine in ten good {bound:.3f}")


def spoil(rng, image: np.ndarray, kind: str) -> np.ndarray:
    """Return the film spoiled in one way, `(H, W)` float32 in `[0, 1]`."""
    image = image.copy()
    if kind == "noise":
        image += rng.uniform(0.1, 0.4) * rng.standard_normal(image.shape)
    if kind == "blank":
        proportion = rng.uniform(0.25, 0.6)
        size = [int(side * proportion) for side in image.shape]
        top, left = (
            rng.integers(0, side - part + 1)
            for side, part in zip(image.shape, size, strict=True)
        )
        image[top : top + size[0], left : left + size[1]] = rng.uniform(0, 1)
    if kind == "blur":
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.012, 0.04) * len(image))
    if kind == "overexposed":
        image = image * rng.uniform(1.5, 3) - rng.uniform(0, 0.5)
    return np.clip(image, 0, 1).astype("float32")


if __name__ == "__main__":
    main()
