"""Count training phantoms of 256 px a second on all cores.

    python benchmarks/phantoms.py [--num 1000] [--size 256] [--rounds 5] [--json FILE]

They are drawn as for training. Their rate is given with the start of the worker
processes and without it (the time that a tenth of them takes beyond its share); beside
them stands what the training step of the shipped U-Net eats at its own size, measured
in turns in the same run. Last line: how long the drawing of a whole training's phantoms
keeps the network waiting, beside the training itself.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import claims
import numpy as np

from rds_phantoms import phantom, training  # no Keras: every worker imports this

sys.path.append(str(Path(__file__).parents[1] / "saved_models"))
import build  # noqa: E402

LARGE_PX = 1536


def main():
    """Draw and train in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    from rds_tf.lungs import unet

    own = build.SEGMENTER["image_size"]
    model = unet.build_unet(**build.SEGMENTER)
    model.compile("adam", loss=unet.DiceBCE())
    images, masks = training.make_training_arrays(160, own)
    batch = images[:16] / np.float32(255), masks[:16].astype("float32")
    model.train_on_batch(*batch)
    sizes = {"drawn": options.size, "drawn, network's size": own}
    rates = {}
    for round_ in range(options.rounds):
        for name, size in sizes.items():
            whole, started = time_drawing(options.num, size, round_)
            rates.setdefault((name, size), []).append(options.num / whole)
            rates.setdefault((f"{name}, started", size), []).append(started)
        begin = time.perf_counter()
        for _ in range(10):
            model.train_on_batch(*batch)
        eaten = 160 / (time.perf_counter() - begin)
        rates.setdefault(("eaten by a step", own), []).append(eaten)
    print(f"{os.cpu_count()} cores, median of {options.rounds} rounds")
    for (name, size), values in rates.items():
        middle, span = (
            statistics.median(values),
            f"{min(values):.0f} to {max(values):.0f}",
        )
        print(f"{name:<30} {size} px  {middle:6.0f} a second ({span})")
    drawn = statistics.median(rates["drawn, network's size", own])
    eaten = statistics.median(rates["eaten by a step", own])
    num, steps = build.NUM_PHANTOMS, build.SEGMENTER_STEPS
    print(
        f"a whole training: {num} phantoms drawn in {num / drawn / 60:.1f} minutes, "
        f"{steps} steps in {16 * steps / eaten / 60:.1f}"
    )
    rate = statistics.median(rates["drawn, started", options.size])
    work = f"phantoms of {options.size} px, workers started"
    rows = [claims.make_row(work, ours=rate, unit="a second", must=">= 60")]
    work = f"phantoms of {own} px, with the start, beside what a training step eats"
    beside = {"unit": "a second", "ratio": drawn / eaten, "must": ">= 1"}
    rows.append(claims.make_row(work, ours=drawn, limit=eaten, **beside))
    film = statistics.median(time_film(round_) for round_ in range(options.rounds))
    work = f"a film of {LARGE_PX} px with four devices"
    rows.append(claims.make_row(work, ours=film, unit="s", must="<= 1.5"))
    claims.publish(rows, options.json)


def time_film(seed: int) -> float:
    """Return the seconds that one large film takes in this process."""
    names = ("ett", "ngt", "uac", "leads")
    begin = time.perf_counter()
    phantom.make_phantom(seed, (LARGE_PX, LARGE_PX), 0.5, device_names=names)
    return time.perf_counter() - begin


def time_drawing(num: int, size: int, seed: int) -> tuple[float, float]:
    """Return seconds for all phantoms, and their rate once workers have started."""
    few = max(num // 10, 1)
    begin = time.perf_counter()
    training.make_training_arrays(few, size, seed=1000 + seed)
    middle = time.perf_counter()
    training.make_training_arrays(num, size, seed=seed)
    end = time.perf_counter()
    return end - middle, (num - few) / (end - 2 * middle + begin)


if __name__ == "__main__":
    main()
