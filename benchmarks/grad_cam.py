"""Time Grad-CAM beside tf-keras-vis and beside the plain forward pass.

    python benchmarks/grad_cam.py [--rounds 7] [--batch 16] [--image-size 224]
        [--json FILE]

All arms run in turns in one process, B0 with random weights; medians are printed
in milliseconds an image, and as a multiple of the plain traced forward pass.
"""

import argparse
import statistics
import time
from pathlib import Path

import claims
import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis import gradcam

from rds_tf.classification import efficientnet
from rds_tf.explanation import grad_cam


def main():
    """Measure every arm in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--json", type=Path, help="file for the rows")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(7)
    model = efficientnet.build_classifier("B0", arguments.image_size)
    shape = (arguments.batch, arguments.image_size, arguments.image_size, 1)
    images = np.random.default_rng(7).random(shape, dtype=np.float32)
    arms = build_arms(model)
    found = {}
    for size in (arguments.batch, 1):
        medians = measure(arms, images[:size], arguments.rounds)
        print_table(medians, size)
        found[size] = [1000 * seconds / size for seconds in medians.values()]
    claims.publish(make_rows(found, arguments.batch), arguments.json)


def build_arms(model):
    """Return the functions to compare, each images -> array, the plain one first."""
    forward = tf.function(
        lambda images: model(images, training=False), reduce_retracing=True
    )
    visualize = gradcam.Gradcam(model)
    return {
        "plain forward pass": lambda images: forward(images).numpy(),
        "rds_tf grad_cam": lambda images: grad_cam.grad_cam(model, images),
        "tf-keras-vis Gradcam": lambda images: visualize(
            lambda probability: probability[:, 0], images
        ),
    }


def measure(arms, images, rounds):
    """Return the median seconds of each arm over `rounds` turns, warmed up once."""
    seconds = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, run in arms.items():
            start = time.perf_counter()
            run(images)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def make_rows(found: dict, batch: int) -> list[dict]:
    """Make the rows from ms an image of (plain, ours, peer), by images a call.

    A folder is drawn in batches, so that ours in batches is set beside tf-keras-vis in
    the same ones and beside tf-keras-vis called for each image. What was asked for can
    be read as a call an image on both sides too: the stricter row.
    """
    rows = []
    for size, peer_size, asked in ((batch, 1, 25), (batch, batch, 5), (1, 1, 25)):
        (_, ours, _), (_, _, peer) = found[size], found[peer_size]
        work = f"Grad-CAM B0, {tell(size)}, beside tf-keras-vis, {tell(peer_size)}"
        values = {"ours": ours, "peer": peer, "ratio": peer / ours}
        values["must"] = f">= {asked}"
        rows.append(claims.make_row(work, unit="ms an image", **values))
    for size in (batch, 1):
        plain, ours, _ = found[size]
        work = f"Grad-CAM B0, {tell(size)}, beside its forward pass"
        values = {"ours": ours, "limit": plain, "ratio": ours / plain}
        rows.append(claims.make_row(work, unit="ms an image", must="<= 1.15", **values))
    return rows


def tell(num_images: int) -> str:
    """Say how many images a call takes."""
    return f"{num_images} images a call" if num_images > 1 else "one image a call"


def print_table(medians, num_images):
    """Print milliseconds an image and the ratio to the first arm."""
    plain, *_ = medians.values()
    print(tell(num_images))
    for name, seconds in medians.items():
        per_image = 1000 * seconds / num_images
        print(f"  {name:22} {per_image:8.1f} ms an image  {seconds / plain:6.2f} x")


if __name__ == "__main__":
    main()
