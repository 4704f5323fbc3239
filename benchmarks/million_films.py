"""Work out what a million films and 15 models take, from rates measured here.

    python benchmarks/million_films.py OUT [--films 3] [--steps 3] [--cores 16]
        [--price 0.05] [--parts films models] [--backbones B0 B3 B5] [--batch 16]

films: `prepare` of 2500 x 2048 px, 12 bit, in four transfer syntaxes, processor seconds
of one core a film and the bytes that it reads and writes. models: one training step of
B0, B3 and B5 at the sizes of `--profile`, processor seconds of all cores together, for
five folds each; by `--batch` images, where memory holds no more, times as many as make
a step. Processor seconds hardly depend on what else runs. The table divides
them by `--cores` of a worker and by 1, 4 and 16 workers, with nothing lost to the
network or the disk: a lower bound. `--price` is of a core and hour, in any currency.
"""

import argparse
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom import uid

from rds_phantoms import dataset
from rds_tf import config
from rds_tf.data import prepare
from rds_tf.parallel import isolated

SYNTAXES = {
    "uncompressed": uid.ExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
}
WORKERS = (1, 4, 16)
SHAPE = (2500, 2048)
MILLION = 1_000_000


def main():
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--films", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--cores", type=int, default=16, help="of a worker")
    parser.add_argument("--price", type=float, default=0.05, help="core and hour")
    parser.add_argument("--profile", choices=config.PROFILES, default="quick")
    parser.add_argument("--batch", type=int, help="images at once, default a step's")
    parser.add_argument("--backbones", nargs="+", default=["B0", "B3", "B5"])
    parser.add_argument("--parts", nargs="+", default=["films", "models"])
    options = parser.parse_args()
    if "films" in options.parts:
        for name in SYNTAXES:
            seconds, read, written = measure_films(options, name)
            sizes = f"{read / 1e6:.1f} | {written / 1e6:.1f}"
            summary = tell(seconds * MILLION, MILLION, options)
            print(f"| {name} | {1 / seconds:.1f} | {sizes} | {summary} |", flush=True)
    if "models" in options.parts:
        profile = config.load_profile(options.profile)
        for backbone in options.backbones:
            seconds = measure_step(options, profile, backbone)
            run = seconds * profile.classifier_steps
            size = profile.classifier_px[backbone]
            print(
                f"| {backbone}, {size} px, {profile.classifier_steps} steps "
                f"| {seconds:.1f} | {tell(run * 5, 5, options)} |",
                flush=True,
            )


def tell(seconds: float, num_tasks: int, options) -> str:
    """Say how long tasks take on 1, 4 and 16 workers, and what they cost."""
    hours = [
        seconds / num_tasks * math.ceil(num_tasks / count) / options.cores / 3600
        for count in WORKERS
    ]
    cost = seconds / 3600 * options.price
    return " | ".join([*(f"{each:.2f} h" for each in hours), f"{cost:.2f}"])


def measure_films(options, name: str) -> tuple[float, float, float]:
    """Return median processor seconds, bytes read and bytes written of a film."""
    out = options.out / name.replace(" ", "_")
    for folder in ("images", "masks", "records"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    os.environ[isolated.WORKER_MARK] = "1"  # decode in this process, as workers do
    seconds, read, written = [], [], []
    for index in range(options.films + 1):
        path = out / f"{index}.dcm"
        write_film(path, index, SYNTAXES[name])
        start = time.process_time()
        prepare.prepare_case(prepare.Task(str(index), path, None, out))
        if index:  # the first imports decoders
            seconds.append(time.process_time() - start)
            read.append(path.stat().st_size)
            written.append((out / "images" / f"{index}.png").stat().st_size)
    return tuple(map(statistics.median, (seconds, read, written)))


def write_film(path: Path, seed: int, syntax: str) -> None:
    """Write a phantom of 12 bits, drawn at a quarter of the size, with film grain."""
    import cv2

    small = tuple(side // 4 for side in SHAPE)
    folder = path.parent / "small"
    drawn = dataset.Case(
        index=seed,
        seed=seed,
        shape=small,
        severity=0.5,
        angle_degrees=0.0,
        device_names=("ett",),
        findings=(),
        weeks=34.0,
        breath=0.0,
        patient_id="p",
        has_annotation=False,
        bits_stored=12,
        inverted=False,
    )
    for name in ("dicom", "json", "ett"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    dataset.write_case(drawn, folder)
    image = pydicom.dcmread(folder / "dicom" / f"case{seed:04d}.dcm").pixel_array
    image = cv2.resize(image.astype(np.float32), SHAPE[::-1])
    image += np.random.default_rng(seed).normal(0, 12, SHAPE)  # of 4095
    film = pydicom.dcmread(folder / "dicom" / f"case{seed:04d}.dcm")
    film.Rows, film.Columns = SHAPE
    film.PixelData = np.clip(image, 0, 4095).astype(np.uint16).tobytes()
    if uid.UID(syntax).is_compressed:
        film.compress(syntax, generate_instance_uid=False)
    film.save_as(path)


def measure_step(options, profile, backbone: str) -> float:
    """Return the median processor seconds of a training step, all cores together."""
    import keras

    from rds_tf import training
    from rds_tf.classification import efficientnet

    size = profile.classifier_px[backbone]
    model = efficientnet.build_classifier(backbone, image_size=size)
    model.compile(training.build_optimizer(10), keras.losses.BinaryCrossentropy())
    batch = options.batch or profile.batch_size
    images = np.zeros((batch, size, size, 1), np.float32)
    labels = np.arange(batch) % 2
    seconds = []
    for turn in range(options.steps + 1):
        start = time.process_time()
        model.train_on_batch(images, labels)
        if turn:  # the first traces the graph
            seconds.append(time.process_time() - start)
    return statistics.median(seconds) * profile.batch_size / batch


if __name__ == "__main__":
    main()
