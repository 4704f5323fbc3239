"""Count training phantoms of 256 px a second on all cores.

    python benchmarks/phantoms.py [--num 1000] [--size 256] [--rounds 5]

They are drawn as for training, start of the worker processes included; beside them
stands what the training step of the shipped U-Net eats at its own size, measured in
turns in the same run.
"""

import argparse
import os
import statistics
import time

import numpy as np

from rds_tf.lungs import recipe, unet
from rds_tf.phantoms import stack


def main():
    """Draw and train in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    own = recipe.SHIPPED["image_size"]
    model = unet.build_unet(**recipe.SHIPPED)
    model.compile("adam", loss=unet.DiceBCE())
    images, masks = stack.draw_phantoms(160, own)
    batch = images[:16] / np.float32(255), masks[:16].astype("float32")
    model.train_on_batch(*batch)
    rates = {"drawn": [], "drawn, network's size": [], "eaten": []}
    for round_ in range(options.rounds):
        for name, size in (("drawn", options.size), ("drawn, network's size", own)):
            begin = time.perf_counter()
            stack.draw_phantoms(options.num, size, seed=round_)
            rates[name].append(options.num / (time.perf_counter() - begin))
        begin = time.perf_counter()
        for _ in range(10):
            model.train_on_batch(*batch)
        rates["eaten"].append(160 / (time.perf_counter() - begin))
    labels = (options.size, own, own)
    print(f"{os.cpu_count()} cores, median of {options.rounds} rounds")
    for (name, values), size in zip(rates.items(), labels, strict=True):
        middle = statistics.median(values)
        span = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:<22} {size} px  {middle:6.0f} a second ({span})")


if __name__ == "__main__":
    main()
