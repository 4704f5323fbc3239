"""Run everything that has a seed twice, and again as on another machine; compare.

    python benchmarks/same_seed.py OUT [--parts segmenter classifier] [--steps 20]
                                       [--runs again one-thread ...] [--python PATH]

Each run is a process of its own that draws phantoms, prepares them, deals folds, trains
a U-Net of 32 pixels and an EfficientNet B0 of 128, and asks both. `again` is the same
once more and must not differ in one bit. The others stand for other machines, as far as
one machine can: `one-thread`, `no-onednn` (TensorFlow's other kernels) and
`old-processor` (no AVX2 or AVX-512 in NumPy, OpenCV and oneDNN). `--python` is another
interpreter with the packages installed.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import safetensors.numpy

RUNS = {
    "again": {},
    "one-thread": {
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    },
    "no-onednn": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "old-processor": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENCV_CPU_DISABLE": "AVX,FP16,AVX2,FMA3,AVX512_SKX",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX",
    },
}
WORK = """
import sys
import numpy as np
from rds_tf import command_line as command
from rds_tf.classification import classifier
from rds_tf.data import prepare
from rds_tf.storage import disk
out, steps, *parts = sys.argv[1:]
def run(*words):
    if command.main([str(word) for word in words]):
        sys.exit(1)
cohort, prepared, models = out + "/cohort", out + "/prepared", out + "/models"
run("phantom", cohort, "--cases", 30, "--longest-px", 128)
run("prepare", cohort + "/cohort.csv", prepared)
if "segmenter" in parts:
    run("train", "segmenter", prepared, models, "--start", "scratch", "--image-px", 32,
        "--training-steps", steps)
    run("segment", prepared, out + "/masks", "--models", models + "/segmenter_fold_0")
if "classifier" in parts:
    run("train", "classifier", prepared, models, "--start", "phantom",
        "--training-steps", steps)
    one = classifier.load_classifiers(models + "/classifier_B0_whole_fold_0")[0]
    table = prepare.load_manifest(prepared)
    films = classifier.load_crops(prepared, table, "whole", 128)
    np.save(out + "/logits.npy", classifier.predict_logits(one.model, films))
"""


def main():
    """Run and compare, and print a line a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parts = ["segmenter", "classifier"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--python", type=Path, help="another interpreter")
    options = parser.parse_args()
    first = run(options, "first", {})
    for name in options.runs:
        print(name, compare(first, run(options, name, RUNS[name])), flush=True)
    if options.python:
        other = run(options, "other-python", {}, options.python)
        print("other-python", compare(first, other), flush=True)


def run(options, name: str, environment: dict, python=sys.executable) -> Path:
    """Do all once, if it is not done; return its folder."""
    out = options.out.resolve() / name
    if not (out / "done").exists():
        words = [python, "-c", WORK, out, str(options.steps), *options.parts]
        finished = subprocess.run(
            words, env=os.environ | environment, capture_output=True, text=True
        )
        if finished.returncode:
            raise RuntimeError(f"{name}: {finished.stderr[-1000:]}")
        (out / "done").touch()
    return out


def compare(first: Path, second: Path) -> str:
    """Say how far the results of two runs are apart."""
    lines = []
    for folder in ("cohort", "prepared"):
        files = [path for path in (first / folder).rglob("*.*") if path.is_file()]
        files = [path for path in files if path.parent.name != "records"]  # times
        same = [is_same(path, second / path.relative_to(first)) for path in files]
        lines.append(f"{folder}: {sum(same)} of {len(files)} files equal")
    for path in sorted(first.glob("models/*/model.safetensors")):
        other = second / path.relative_to(first)
        size, apart = compare_weights(path, other)
        equal = "bit for bit" if is_same(path, other) else f"apart by {apart:.1e}"
        lines.append(f"{path.parent.name}: weights {equal} of {size:.1e}")
    lines += compare_masks(first / "masks", second / "masks")
    if (first / "logits.npy").is_file():
        logits = [np.load(folder / "logits.npy") for folder in (first, second)]
        probabilities = [1 / (1 + np.exp(-values)) for values in logits]
        apart = np.abs(probabilities[0] - probabilities[1]).max()
        lines.append(f"probabilities apart by {apart:.1e} at most")
    return "; ".join(lines)


def is_same(first: Path, second: Path) -> bool:
    """Compare two files byte for byte."""
    return first.read_bytes() == second.read_bytes()


def compare_weights(first: Path, second: Path) -> tuple[float, float]:
    """Return the root mean square of all weights, and of their differences."""
    arrays = []
    for path in (first, second):
        parts = safetensors.numpy.load_file(path)
        values = [np.ravel(parts[name]).astype("float64") for name in sorted(parts)]
        arrays.append(np.concatenate(values))
    return tuple(
        float(np.sqrt(np.mean(np.square(values))))
        for values in (arrays[0], arrays[0] - arrays[1])
    )


def compare_masks(first: Path, second: Path) -> list[str]:
    """Say how many pixels differ, and the lowest Dice of a film."""
    dice, pixels, total = [], 0, 0
    for path in sorted(first.glob("*.png")):
        one = cv2.imread(str(path), 0) > 0
        two = cv2.imread(str(second / path.name), 0) > 0
        both = one.sum() + two.sum()
        dice.append(2 * (one & two).sum() / both if both else 1.0)
        pixels, total = pixels + int((one != two).sum()), total + one.size
    if not dice:
        return []
    return [f"masks: {pixels} of {total} pixels differ, lowest Dice {min(dice):.4f}"]


if __name__ == "__main__":
    main()
