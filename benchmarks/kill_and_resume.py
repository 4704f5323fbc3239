"""Kill runs at random moments, start them again, and compare with undisturbed ones.

    python benchmarks/kill_and_resume.py OUT [--kills 20] [--what prepare train ...]

Each run is killed by SIGKILL `--kills` times, itself and its workers: half of them
when half of the bytes of a file are written, half of them at a random moment after a
file was. The file is drawn among the next ones that the run writes. Started again until
it ends, the run must leave what an undisturbed one left: byte for byte (prepare: PNG,
masks, records, tables; the others: weights, history, predictions), with no half-written
file beside it. One that ends before its kill is compared and begun anew.

Runs are forks of this process, which has imported TensorFlow and not used it: a kill
is not spent on imports. `plateau` is a training with Dropout, batch normalisation and
`ReduceLROnPlateau`; `compare` is five folds of EfficientNet B0, and `folds` the same
with a network of one layer in its place, which is trained in seconds.
"""

import argparse
import hashlib
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import threading
import time
from collections import Counter
from concurrent import futures

import keras
import numpy as np
import tensorflow as tf

from rds_pages.reports import comparison
from rds_tf import command_line as command
from rds_tf import config, training
from rds_tf.classification import cross_validation, efficientnet
from rds_tf.lungs import segmenter_training
from rds_tf.parallel import isolated
from rds_tf.storage import disk

LOADED = (
    cross_validation,
    segmenter_training,
    comparison,
)  # what the verbs would import
KEPT = (".png", ".csv", ".safetensors", ".json", ".npz")
# What to run, the writes among which one is drawn, and the seconds to live on at most.
PLANS = {"prepare": (15, 0.2), "plateau": (4, 1), "segmenter": (4, 2)}
PLANS |= {"folds": (10, 2), "compare": (10, 8)}


def main():
    """Run what is asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", nargs="+", choices=PLANS, default=list(PLANS))
    options = parser.parse_args()
    cohort, prepared = options.out / "cohort", options.out / "prepared"
    prepare = "prepare", cohort / "cohort.csv"
    table = (
        "compare",
        prepared,
        "OUT",
        "--inputs",
        "whole",
        "--training-steps",
        20,
        "--start",
    )
    small = "--start", "scratch", "--image-px", 32, "--training-steps", 100
    runs = {
        "prepare": verb(*prepare, "OUT", "--root", cohort, "--workers", 2),
        "plateau": train_with_plateau,
        "segmenter": verb("train", "segmenter", prepared, "OUT", *small),
        "folds": verb(*table, "scratch"),
        "compare": verb(*table, "phantom"),
    }
    training.BACKUP_SECONDS = 0  # one an epoch, so that kills fall within backups too
    options.out.mkdir(parents=True, exist_ok=True)
    if not prepared.is_dir():
        run("", verb("phantom", "OUT", "--cases", 50, "--longest-px", 256), cohort)
        run("", verb(*prepare, "OUT", "--root", cohort), prepared)
    for what in options.what:
        print(what, judge(what, runs[what], options), flush=True)


def verb(*parts) -> list[str]:
    """Return the words of a verb."""
    return [str(part) for part in parts]


def judge(what: str, work, options) -> str:
    """Compare runs that were killed again and again with one that was not.

    A run that comes to its end before its kill is compared too, and begun anew.
    """
    whole, torn = options.out / f"{what}_whole", options.out / f"{what}_torn"
    start = time.monotonic()
    run(what, work, whole)
    seconds = time.monotonic() - start
    draw, (last, longest) = random.Random(options.seed), PLANS[what]
    tally, died, ended = options.out / "tally", Counter(), []
    while died.total() < options.kills:
        tally.unlink(missing_ok=True)
        after = draw.uniform(0, longest) if died.total() % 2 == 0 else None
        status = run(what, work, torn, (tally, draw.randint(1, last), after))
        if status == 0:
            ended.append(compare(whole, torn))
            shutil.rmtree(torn)
            continue
        if status != -signal.SIGKILL:
            return f"ended with {status}: see {torn.with_name('log')}"
        name = tally.read_text().split()[-1]
        died["at a random moment" if after is not None else f"within {name}"] += 1
        print(f"  {what}: killed {dict(died)}", flush=True)
    run(what, work, torn)
    ended.append(compare(whole, torn))
    faults = [fault for one in ended for fault in one]
    same = f"not the same {faults[:5]}" if faults else "the same at every end"
    count = f"{died.total()} kills in {len(ended)} runs of {seconds:.0f} s"
    return f"{count}: {len(read_tree(whole))} files, {same}"


def compare(whole: pathlib.Path, torn: pathlib.Path) -> list[str]:
    """List what differs between two folders, and what is left over in the second."""
    first, second = read_tree(whole), read_tree(torn)
    faults = [n for n in first | second if first.get(n) != second.get(n)]
    return faults + [f"left over: {path.name}" for path in torn.rglob(".*.part")]


def run(what: str, work, out: pathlib.Path, kill=None) -> int:
    """Run a verb, or a function of a folder, in a fork; return how it ended."""
    process = os.fork()
    if not process:
        os.setsid()
        for stream in (1, 2):
            os.dup2(os.open(out.with_name("log"), os.O_CREAT | os.O_WRONLY), stream)
        isolated.Child = Fork
        if what == "folds":
            efficientnet._build_features = build_one_layer
        if kill:
            die_at(*kill)
        try:
            if callable(work):
                os._exit(work(out) or 0)
            os._exit(command.main([str(out) if w == "OUT" else w for w in work]))
        finally:
            os._exit(3)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status != 0 and not kill:
        raise RuntimeError(f"{work}: ended with {status}: see {out.with_name('log')}")
    return status


class Fork:
    """A child that is a fork: it has what this benchmark changed."""

    def __init__(self):
        """Start it."""
        fork = multiprocessing.get_context("fork")
        self.pool = futures.ProcessPoolExecutor(1, fork)

    def call(self, function, *arguments):
        """Call a function there."""
        return self.pool.submit(function, *arguments).result()

    def end(self):
        """End it."""
        self.pool.shutdown()


def die_at(tally: pathlib.Path, number: int, seconds: float | None) -> None:
    """Let this process and its workers die at a write that one of them makes.

    Args:
        tally: file to count the writes in.
        number: int, the write, from 1.
        seconds: to live on after it, None to die within it.
    """
    write, group = pathlib.Path.write_bytes, os.getpid()

    def write_and_die(path, data):
        if path.suffix != ".part":
            return write(path, data)
        with open(tally, "a") as file:
            file.write(path.name.split(".")[1] + "\n")
        due = tally.read_text().count("\n") >= number
        if due and seconds is None:
            write(path, data[: len(data) // 2])
            os.killpg(group, signal.SIGKILL)
        written = write(path, data)
        if due:
            ending = threading.Timer(seconds, os.killpg, (group, signal.SIGKILL))
            ending.start()
        return written

    pathlib.Path.write_bytes = write_and_die


def read_tree(folder: pathlib.Path) -> dict[str, str]:
    """Return the SHA-256 of each result by its name below `folder`."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in KEPT and not path.name.startswith(".")
    }


def hash_file(path: pathlib.Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build_one_layer(backbone: str, inputs):
    """Stand in for the layers of EfficientNet."""
    x = keras.layers.Conv2D(8, 5, strides=8, use_bias=False)(inputs)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def train_with_plateau(folder: pathlib.Path) -> None:
    """Train a small network with all that is hard to resume, and write its weights."""
    config.set_seed(3)
    inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.4)(keras.layers.Dense(8)(inputs))
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.AdamW(1e-2), loss="mse")
    rng = np.random.default_rng(0)
    pair = rng.normal(size=(40, 6)), rng.normal(size=(40, 1))
    data = tf.data.Dataset.from_tensor_slices(pair).shuffle(40, seed=0).repeat()
    plateau = keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1)
    training.fit(model, data.batch(8), folder, {"steps": 500}, [plateau])
    weights = np.concatenate([np.ravel(part) for part in model.get_weights()])
    disk.write_whole(folder / "weights.npz", weights.tobytes())
    training.forget_backup(folder)


if __name__ == "__main__":
    main()
