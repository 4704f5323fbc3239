"""Time the training data, augmented with its masks, beside two peers and a limit.

    python benchmarks/pipeline.py [--size 256] [--films 64] [--rounds 5] [--json FILE]

All arms give batches of 16 films with their masks, 256 px, and run in turns in one
process: 16 batches to get going, then 48 that are timed; medians over the rounds.

- ours: `data.pipeline.segmentation_dataset`, the training data of the segmenter, and
  that of the classifier, without masks;
- Keras: `image_dataset_from_directory` on PNG files, decoded once and cached, then the
  layers for rotation, zoom, shift and mirror on film and mask together, contrast,
  brightness and noise on the film. It draws no gamma, blur or rectangle: it does less;
- albumentations 2.0.8 (MIT), the same changes as ours, in a `keras.utils.PyDataset`
  of two workers. It is no requirement here: where it is missing, that is said;
- the limit: the cached arrays cut into batches, with no change at all.

What a training step eats is measured in the same run: `train_on_batch` of the U-Net on
one batch, 16 filters as shipped, which eats faster than the study's 32 (`--filters`).
"""

import argparse
import functools
import statistics
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

import claims
import keras
import numpy as np
import tensorflow as tf

from rds_phantoms import training as phantoms
from rds_tf import training
from rds_tf.data import pipeline
from rds_tf.dicom import radiograph
from rds_tf.lungs import unet
from rds_tf.parallel import memory

try:
    import albumentations
except ImportError:
    albumentations = None

BATCH = 16
STEPS = 48  # batches a turn
FIRST = 16  # batches before them, while a stream gets going
WORKERS = 2


def main():
    """Draw films, time every arm in turns, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--films", type=int, default=64)
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    memory.keep_freed()  # as `python -m rds_tf` does
    images, masks = phantoms.make_training_arrays(options.films, options.size, 0)
    masks = masks[..., :1]
    with tempfile.TemporaryDirectory() as scratch:
        films = measure(build_arms(images, masks, Path(scratch)), options.rounds)
    eaten = time_step(images, masks, options.filters, options.rounds)
    claims.publish(make_rows(films, eaten, options.filters), options.json)


def build_arms(images, masks, scratch: Path) -> dict:
    """Return a function of each arm that makes a number of batches."""
    labels = np.arange(len(images)) % 2
    ours = pipeline.segmentation_dataset(images, masks, BATCH, training=True)
    films = pipeline.classification_dataset(images, labels, BATCH, training=True)
    cached = tf.data.Dataset.from_tensor_slices((images, masks)).cache()
    arms = {
        "ours": ours,
        "ours, no mask": films,
        "Keras": build_keras(images, masks, scratch),
        "limit": cached.repeat().batch(BATCH).prefetch(tf.data.AUTOTUNE),
    }
    arms = {name: functools.partial(list_batches, arms[name]) for name in arms}
    if albumentations:
        arms["albumentations"] = build_albumentations(images, masks)
    else:
        print("albumentations cannot be imported: it is left out.", file=sys.stderr)
    return arms


def list_batches(dataset: tf.data.Dataset, num_batches: int):
    """Yield the first batches of a dataset."""
    yield from dataset.take(num_batches)


def build_keras(images, masks, scratch: Path) -> tf.data.Dataset:
    """Stream PNG files through the augmentation layers of Keras, with their masks."""
    for name, arrays in (("films", images / 255), ("masks", masks)):
        (scratch / name).mkdir()
        for index, array in enumerate(arrays[..., 0]):
            radiograph.write_png(scratch / name / f"{index:05d}.png", array)

    def read(name):
        return keras.utils.image_dataset_from_directory(
            scratch / name,
            labels=None,
            color_mode="grayscale",
            batch_size=None,
            image_size=images.shape[1:3],
            shuffle=False,
            verbose=False,
        )

    layers = keras.layers
    geometry = keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.5, fill_mode="constant"),
            layers.RandomZoom((-0.3, 0.4), fill_mode="constant"),
            layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
        ]
    )
    intensity = keras.Sequential(
        [
            layers.RandomContrast(0.3, value_range=(0, 1)),
            layers.RandomBrightness(0.12, value_range=(0, 1)),
            layers.GaussianNoise(0.03),
        ]
    )

    def vary(film, mask):
        both = geometry(tf.concat([film, mask], -1) / 255, training=True)
        film = intensity(both[..., :1], training=True)
        return tf.clip_by_value(film, 0.0, 1.0), tf.round(both[..., 1:])

    pairs = tf.data.Dataset.zip(read("films"), read("masks")).cache()
    pairs = pairs.shuffle(len(images), seed=0).repeat().batch(BATCH)
    return pairs.map(vary, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def build_albumentations(images, masks):
    """Stream arrays through albumentations, by two workers of a `PyDataset`."""
    cover = albumentations.CoarseDropout(
        num_holes_range=(1, 1),
        hole_height_range=(0.03, 0.2),
        hole_width_range=(0.03, 0.2),
        fill="random_uniform",
        p=0.3,
    )
    change = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Affine(
                scale=(0.7, 1.4), translate_percent=0.08, rotate=(-180, 180), p=1
            ),
            albumentations.RandomGamma((60, 160), p=1),
            albumentations.RandomBrightnessContrast(0.12, 0.3, p=1),
            albumentations.Downscale((0.5, 0.5), p=0.2),
            albumentations.GaussNoise((0.0, 0.06), p=1),
            cover,
        ]
    )

    class Films(keras.utils.PyDataset):
        def __len__(self):
            return 10**6

        def __getitem__(self, index):
            chosen = (index * BATCH + np.arange(BATCH)) % len(images)
            made = [change(image=images[i], mask=masks[i]) for i in chosen]
            film = np.stack([one["image"] for one in made]).astype("float32") / 255
            return film, np.stack([one["mask"] for one in made]).astype("float32")

    def run(num_batches):
        with futures.ThreadPoolExecutor(WORKERS) as pool:  # as Keras' `fit` does
            yield from pool.map(Films().__getitem__, range(num_batches))

    return run


def measure(arms: dict, rounds: int) -> dict:
    """Return the median films a second of each arm, a turn each, warmed up once."""
    speeds = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, run in arms.items():
            batches = run(FIRST + STEPS)
            for _ in range(FIRST):
                next(batches)
            start = time.perf_counter()
            for _ in batches:
                pass
            if turn:
                speeds[name].append(STEPS * BATCH / (time.perf_counter() - start))
            print(f"{turn} {name}", file=sys.stderr)
    return {name: statistics.median(each) for name, each in speeds.items()}


def time_step(images, masks, filters: int, rounds: int) -> float:
    """Return the median films a second that a training step of the U-Net eats."""
    model = unet.build_unet(image_size=images.shape[1], filters=filters)
    optimizer = training.build_optimizer(1000)
    model.compile(optimizer, loss=unet.DiceBCE(), metrics=[unet.LungIoU()])
    batch = images[:BATCH].astype("float32") / 255, masks[:BATCH].astype("float32")
    model.train_on_batch(*batch)
    speeds = []
    for _ in range(rounds):
        start = time.perf_counter()
        model.train_on_batch(*batch)
        speeds.append(BATCH / (time.perf_counter() - start))
    return statistics.median(speeds)


def make_rows(films: dict, eaten: float, filters: int) -> list[dict]:
    """Make the rows: against what a step eats, the peers and the limit."""
    ours, limit = films["ours"], films["limit"]
    peers = {f"a U-Net's training step, {filters} filters": (eaten, ">= 3")}
    for name in ("Keras", "albumentations"):
        if name in films:
            peers[name] = films[name], ">= 2"
    unit = "films a second"
    rows = [
        claims.make_row(
            f"training data with masks, beside {name}",
            ours=ours,
            unit=unit,
            ratio=ours / peer,
            must=must,
            peer=peer,
            limit=limit,
        )
        for name, (peer, must) in peers.items()
    ]
    work = "training data without masks, for a classifier"
    ours = films["ours, no mask"]
    return [*rows, claims.make_row(work, ours=ours, unit=unit, limit=limit)]


if __name__ == "__main__":
    main()
