"""Kill runs at random moments, start them again, and compare with undisturbed ones.

    python benchmarks/kill_and_resume.py OUT [--kills 20] [--what prepare train compare]

Each run is killed by SIGKILL `--kills` times: half of them after a random share of
the time that an undisturbed run takes, half of them in the middle of writing a file.
Started once more, it must leave what the undisturbed run left: byte for byte (prepare:
PNG, masks, records, tables; train and compare: weights, history, predictions), with
no half-written file beside it.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

KEPT = (".png", ".csv", ".h5", ".json")
# Runs a verb and kills it when half of the bytes of its n-th file are written.
DIE_WITHIN_A_WRITE = """
import os, pathlib, signal, sys
from rds_tf import __main__ as command
write, left = pathlib.Path.write_bytes, [int(sys.argv[1])]
def write_half(path, data):
    left[0] -= 1
    if left[0]:
        return write(path, data)
    write(path, data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.write_bytes = write_half
sys.exit(command.main(sys.argv[2:]))
"""


def main():
    """Run what is asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    verbs = ("prepare", "train", "compare")
    parser.add_argument("--what", nargs="+", choices=verbs, default=verbs[:2])
    options = parser.parse_args()
    cohort, prepared = options.out / "cohort", options.out / "prepared"
    if not prepared.is_dir():
        run(["phantom", cohort, "--cases", "60", "--size", "256"])
        run(["prepare", cohort / "cohort.csv", prepared, "--root", cohort])
    commands = {
        "prepare": ["prepare", cohort / "cohort.csv", "OUT", "--root", cohort]
        + ["--workers", "1"],
        "train": ["train", "segmenter", prepared, "OUT", "--start", "scratch"]
        + ["--steps", "40", "--size", "32"],
        "compare": ["compare", prepared, "OUT", "--inputs", "whole"]
        + ["--start", "phantom", "--steps", "10"],
    }
    for what in options.what:
        print(what, judge(what, commands[what], options), flush=True)


def judge(what: str, command: list, options) -> str:
    """Compare a run that was killed again and again with one that was not."""
    whole, torn = options.out / f"{what}_whole", options.out / f"{what}_torn"
    start = time.monotonic()
    run([whole if part == "OUT" else part for part in command])
    seconds = time.monotonic() - start
    torn_command = [torn if part == "OUT" else part for part in command]
    draw, hits = random.Random(options.seed), 0
    for kill in tqdm(range(options.kills), desc=what, disable=None):
        if kill % 2:
            kill_after(torn_command, draw.uniform(0, seconds))
        else:
            hits += kill_within(torn_command, draw.randint(1, 15))
    run(torn_command)
    first, second = read_tree(whole), read_tree(torn)
    different = sorted(n for n in first | second if first.get(n) != second.get(n))
    parts = [path.name for path in torn.rglob(".*.part")]
    return (
        f"{options.kills} kills in runs of {seconds:.0f} s, {hits} within a write: "
        f"{len(first) - len(different)} of {len(first)} files the same"
        + (f", not {different[:5]}" if different else "")
        + (f", left over: {parts[:5]}" if parts else "")
    )


def run(parts: list) -> None:
    """Run one verb to its end."""
    command = [sys.executable, "-m", "rds_tf", *map(str, parts)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def kill_after(parts: list, seconds: float) -> None:
    """Kill a run after some seconds."""
    command = [sys.executable, "-m", "rds_tf", *map(str, parts)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_within(parts: list, count: int) -> bool:
    """Let a run die within its `count`-th write; True if it came that far."""
    command = [sys.executable, "-c", DIE_WITHIN_A_WRITE, str(count), *map(str, parts)]
    done = subprocess.run(command, capture_output=True)
    return done.returncode == -signal.SIGKILL


def read_tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each result by its name below `folder`."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in KEPT and not path.name.startswith(".")
    }


def hash_file(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
