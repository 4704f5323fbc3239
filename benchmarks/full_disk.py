"""Fill the disk below every verb that writes, then give it room and run it again.

    python benchmarks/full_disk.py OUT [--what phantom prepare ...]

Needs Linux and root: it mounts a small tmpfs on OUT/disk. Each verb writes there three
times: with room for a twentieth of its results, with room for most, and with room for
all. The first two must end with status 1 and one sentence that names a file and says
that no space is left; no traceback, no half-written file; the third must leave all that
a run on a large disk leaves. Networks are untrained and tiny; the classifiers that are
trained have one layer. Runs are forks of this process, which has imported TensorFlow.
"""

import argparse
import functools
import json
import multiprocessing
import os
import sqlite3
import subprocess
from concurrent import futures
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pydicom
import safetensors.numpy

from rds_readers import answers, design
from rds_tf import command_line as command
from rds_tf.classification import efficientnet
from rds_tf.lungs import unet
from rds_tf.parallel import isolated
from rds_tf.storage import disk, model_store

MOST = 0.05, 0.9  # proportions of what the results take
NO_STATE = ".lock", "backup.npz"


def main():
    """Run what is asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--what", nargs="+")
    options = parser.parse_args()
    out = options.out.resolve()
    verbs = list_verbs(out)
    (out / "disk").mkdir(parents=True, exist_ok=True)
    if not (out / "readings.csv").is_file() and call(out, make_inputs, out):
        raise RuntimeError((out / "log").read_text())
    for what in options.what or [*verbs, "answers"]:
        judged = judge_answers(out) if what == "answers" else judge(what, out)
        print(f"{what}: {judged}", flush=True)


def list_verbs(out: Path) -> dict[str, list]:
    """Return what to run; OUT is where a verb writes."""
    cohort, prepared, models = out / "cohort", out / "prepared", out / "models"
    own = "--models", models, "--segmenter", models
    few = "--start", "scratch", "--training-steps", 10
    return {
        "phantom": [
            "phantom",
            "OUT",
            "--cases",
            10,
            "--longest-px",
            128,
            "--workers",
            2,
        ],
        "prepare": ["prepare", cohort / "cohort.csv", "OUT", "--workers", 2],
        "segmenter": ["train", "segmenter", prepared, "OUT", *few, "--image-px", 32],
        "classifier": ["train", "classifier", prepared, "OUT", *few],
        "compare": ["compare", prepared, "OUT", "--inputs", "whole", *few],
        "segment": [
            "segment",
            prepared,
            "OUT",
            "--models",
            models,
            "--post-processing",
            "none",
        ],
        "evaluate": ["evaluate", "diagnosis", prepared, *own, "--json", "OUT/x.json"],
        "audit": ["audit", prepared, "OUT", *own, "--nuisance", "brightness"],
        "diagnose": ["diagnose", cohort / "dicom", "--out", "OUT", "--models", models],
        "DICOM export": ["diagnose", cohort / "dicom", "--out", "OUT", "--dicom"]
        + ["--models", models],
        "plan": ["study", "plan", prepared, "OUT/pack", "--models", models]
        + ["--cases", 6, "--readers", 2, "--simulations", 0],
        "analyse": ["study", "analyse", out / "readings.csv", "--out", "OUT"]
        + ["--json", "OUT/figures.json"],
        "report": ["report", out / "compare_whole", "OUT"],
    }


def make_inputs(out: Path) -> None:
    """Write a cohort, untrained networks and the readings of a study."""
    cohort = str(out / "cohort")
    command.main(["phantom", cohort, "--cases", "30", "--longest-px", "96"])
    command.main(["prepare", f"{cohort}/cohort.csv", str(out / "prepared")])
    record = {"data": "nothing", "start": "scratch", "seen": []}
    small = {"image_size": 16, "filters": 2, "depth": 1}
    manifest = {"kind": "segmenter", "architecture": small, "training": record}
    model_store.save_model(unet.build_unet(**small), out / "models/segmenter", manifest)
    small = {"backbone": "B0", "image_size": 32}
    manifest = {"kind": "classifier", "architecture": small, "training": record}
    model = efficientnet.build_classifier(**small)
    manifest["input"] = "combined"
    model_store.save_model(model, out / "models/classifier", manifest)
    draw, rows = np.random.default_rng(0), []
    for reader in "ABCD":
        for treatment in ("alone", "with model"):
            for case in range(20):
                rating = np.clip(50 + 20 * (case % 2) + 10 * draw.normal(), 0, 100)
                rows.append([reader, treatment, case, case % 2, rating])
    columns = ["reader", "treatment", "case", "truth", "rating"]
    pd.DataFrame(rows, columns=columns).to_csv(out / "readings.csv", index=False)


def judge(what: str, out: Path) -> str:
    """Fill the disk below one verb, twice, and let it finish."""
    verb, mount, log = list_verbs(out)[what], out / "disk", out / "log"
    whole = out / f"{what}_whole"
    if status := run(out, verb, whole):
        return f"ended with {status} on a large disk: {log.read_text()[-300:]}"
    expected = list_files(whole)
    pages = sum(path.stat().st_size // 4096 + 1 for path in expected.values())
    faults = []
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", mount], check=True
    )
    try:
        (mount / "ballast").write_bytes(4096 * b"\n")  # one page: no disk has none
        for proportion in MOST:
            give_room(mount, 1 + int(proportion * pages))
            status = run(out, verb, mount / "to")
            faults += find_faults(status, log.read_text(), mount)
        give_room(mount, 16 * pages + 4000)  # backups hold a model several times
        if run(out, verb, mount / "to"):
            faults.append(f"a rerun with room failed: {log.read_text()[-300:]}")
        found = list_files(mount / "to")
        same = sum(
            name in found and path.read_bytes() == found[name].read_bytes()
            for name, path in expected.items()
        )
        odd = sorted(found.keys() ^ expected.keys())
    finally:
        subprocess.run(["umount", mount], check=True)
    message = f"; after a rerun {same} of {len(expected)} files equal byte for byte"
    if odd:
        message += f", not in both: {odd[:5]}"
    return (
        "; ".join(faults) or f"stopped {len(MOST)} times, nothing half written"
    ) + message


def give_room(mount: Path, pages: int) -> None:
    """Set the size of the disk."""
    size = f"remount,size={4096 * max(1, pages)}"
    subprocess.run(["mount", "-o", size, mount], check=True)


def find_faults(status: int, message: str, mount: Path) -> list[str]:
    """List what is wrong with how a verb ended on a full disk."""
    faults = []
    errors = [
        line for line in message.splitlines() if "No space left on device" in line
    ]
    if status != 1:
        faults.append(f"status {status}: {message[-200:]}")
    if len(errors) != 1 or str(mount) not in errors[0] or "Traceback" in message:
        faults.append(f"said {message[-500:]!r}")
    faults += [f"left {path.name}" for path in mount.rglob("*.part")]
    files = list_files(mount).values()
    return faults + [f"half written: {path}" for path in files if not is_whole(path)]


def list_files(folder: Path) -> dict[str, Path]:
    """Return the results in a folder by their names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if path.name not in NO_STATE)
    return {path.relative_to(folder).as_posix(): path for path in kept}


def is_whole(path: Path) -> bool:
    """Open a file to its end as what its name says it is."""
    data = path.read_bytes()
    try:
        match path.suffix:
            case ".json":
                json.loads(data)
            case ".png":
                return cv2.imdecode(np.frombuffer(data, "u1"), -1) is not None
            case ".dcm":
                return pydicom.dcmread(path).pixel_array.size > 0
            case ".safetensors":
                safetensors.numpy.load(data)
            case ".html":
                return data.rstrip().endswith(b"</html>")
            case _:
                return data.endswith(b"\n")
    except (ValueError, OSError, AttributeError, safetensors.SafetensorError):
        return False
    return True


def judge_answers(out: Path) -> str:
    """Answer a reading until the disk is full, then give it room and go on."""
    small = out / "disk"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], check=True
    )
    give_room(small, 64)
    cases = [{"case": f"C{i:04d}", "steps": ["alone"]} for i in range(2000)]
    readers = [{"reader": "R", "sessions": [cases]}]
    plan = {"order": "sequential", "washout_days": 0, "readers": readers}
    stored, messages = 0, []
    try:
        disk.write_json(small / "pack/plan.json", plan)
        room = answers.Answers(small / "pack")
        for case in cases:
            place = 1, case["case"], design.ALONE
            for _ in range(2):
                try:
                    stored += room.add("R", place, rating=50, decision=1, seconds=1.0)
                    break
                except OSError as error:
                    messages.append(str(error))
                    give_room(small, 2000)
        address = sqlite3.connect(small / "pack" / answers.FILE)
        kept = address.execute("SELECT count(*) FROM answers").fetchone()[0]
        address.close()
    finally:
        subprocess.run(["umount", small], check=True)
    return f"messages {messages}; {stored} answers confirmed, {kept} in the file"


def run(out: Path, verb: list, to: Path) -> int:
    """Run a verb in a fork; return its status."""
    return call(out, command.main, [str(word).replace("OUT", str(to)) for word in verb])


def call(out: Path, function, *arguments) -> int:
    """Call a function in a fork that writes to OUT/log; return its status."""
    process = os.fork()
    if not process:
        for stream in (1, 2):
            flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
            flags |= os.O_TRUNC if stream == 1 else 0
            os.dup2(os.open(out / "log", flags, 0o644), stream)
        isolated.Child = Fork
        build = functools.partial(build_features, efficientnet._build_features)
        efficientnet._build_features = build
        try:
            os._exit(function(*arguments) or 0)
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


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


def build_features(build, backbone: str, inputs):
    """Build one layer in place of EfficientNet, but for the models of 32 pixels."""
    if inputs.shape[1] == 32:
        return build(backbone, inputs)
    return keras.layers.Conv2D(8, 5, strides=8)(inputs)


if __name__ == "__main__":
    main()
