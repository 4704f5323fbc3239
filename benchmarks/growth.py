"""How do time and memory grow with the number of cases?

    python benchmarks/growth.py OUT [--cases 100 1000 10000] [--size 128] [--json FILE]

Draws the largest number of phantoms once, each another infant, and takes the first of
them for each count. Three stages, each in a fresh process of its own: `prepare` (one
process, files written), the folds (patients joined and dealt, thumbnails compared, from
what `prepare` left), and one epoch of a tiny network through `load_arrays` and
`segmentation_dataset`. Prints seconds of processor, and peak resident memory (VmHWM,
so Linux only), with the slope of each straight line through the points on two
logarithmic axes: 1 is in proportion to the cases, 0 is flat. What a process holds
before it begins, imports done, counts as memory and not as time. Writes growth.png. A
cohort in OUT is used again.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import claims
import numpy as np
import pandas as pd

from rds_phantoms import dataset

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "growth.png"
BATCH = 16


def main():
    """Draw, run every stage at every count apart, print the table, plot the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--json", type=Path, help="file for the rows")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(run_stage(options)))
        return
    counts = sorted(options.cases)
    folder = options.out / "cohort"
    drawn = folder / "cohort.csv"
    if not drawn.exists() or len(pd.read_csv(drawn)) < counts[-1]:
        dataset.write_cohort(folder, counts[-1], longest_px=options.size, num_workers=2)
    for count in counts:
        pd.read_csv(drawn).head(count).to_csv(folder / f"{count}.csv", index=False)
    found = {
        stage: [run_apart(options, stage, count) for count in counts]
        for stage in STAGES
    }
    print_table(counts, found)
    claims.publish(make_rows(counts, found), options.json)
    plot_lines(counts, found).savefig(options.picture, dpi=100)


def run_apart(options, stage: str, count: int) -> dict:
    """Run one stage at one count in a fresh process; its figures."""
    command = [sys.executable, __file__, str(options.out), "--stage", stage]
    command += ["--cases", str(count), "--longest-px", str(options.size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{stage} of {count}: {found}", flush=True)
    return found


def run_stage(options) -> dict:
    """Run one stage here: seconds of processor and wall, peak MiB at start and end."""
    count = options.cases[0]
    STAGES[options.stage](options, 0)  # imports
    before, begin, wall = read_peak(), time.process_time(), time.perf_counter()
    STAGES[options.stage](options, count)
    return {
        "seconds": round(time.process_time() - begin, 3),
        "wall": round(time.perf_counter() - wall, 3),
        "start_mib": round(before, 1),
        "peak_mib": round(read_peak(), 1),
    }


def read_peak() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 2**10


def run_prepare(options, count: int) -> None:
    """Prepare the first cases in this process."""
    from rds_tf.data import prepare
    from rds_tf.parallel import memory

    memory.keep_freed()  # as `python -m rds_tf` does

    if count:
        folder, out = options.out / "cohort", options.out / f"prepared{count}"
        shutil.rmtree(out, ignore_errors=True)
        prepare.prepare(folder / f"{count}.csv", out, folder, num_workers=1)


def run_folds(options, count: int) -> None:
    """Compare all thumbnails, join patients and deal them, from what `prepare` left."""
    from rds_tf.data import duplicates, folds, prepare

    if not count:
        return
    out = options.out / f"prepared{count}"
    table = prepare.load_manifest(out)
    paths = [out / "records" / f"{name}.json" for name in table["case_id"]]
    thumbnails = [
        duplicates.read_thumbnail(json.loads(p.read_bytes())["thumbnail"])
        for p in paths
    ]
    near = duplicates.find_near_duplicates(
        table["case_id"].tolist(), np.stack(thumbnails)
    )
    folds.assign_folds(table.assign(near_duplicate_of=near))


def run_training(options, count: int) -> None:
    """Take a tiny network once through the training batches of all cases."""
    import keras

    from rds_tf.data import pipeline, prepare

    folder = options.out / f"prepared{count or options.cases[0]}"
    table = prepare.load_manifest(folder)
    model = keras.Sequential([keras.layers.Conv2D(1, 3, padding="same")])
    model.compile("sgd", loss="mse")
    table = table.head(count or BATCH)
    images, masks = pipeline.load_arrays(folder, table, options.size)
    batches = pipeline.segmentation_dataset(images, masks, BATCH, training=True)
    steps = max(1, len(table) // BATCH)
    model.fit(batches, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)


STAGES = {"prepare": run_prepare, "folds": run_folds, "training": run_training}


def find_slope(counts: list[int], values: list[float]) -> float:
    """Return the exponent: the slope of log(value) over log(count)."""
    return float(np.polyfit(np.log(counts), np.log(np.maximum(values, 1e-3)), 1)[0])


def print_table(counts: list[int], found: dict[str, list[dict]]) -> None:
    """Print seconds, peak memory and slopes, a row a stage."""
    names = " | ".join(f"{count:,}" for count in counts)
    for key, what in (("seconds", "seconds of processor"), ("peak_mib", "peak, MiB")):
        head = f"| {what} | {names} | slope | slope of the last step |"
        print(f"{head}\n|---|{'---|' * len(counts)}---|---|")
        for stage, rows in found.items():
            values = [row[key] for row in rows]
            cells = " | ".join(f"{value:.4g}" for value in values)
            slope, last = (find_slope(counts[at:], values[at:]) for at in (0, -2))
            print(f"| {stage} | {cells} | {slope:.2f} | {last:.2f} |")
    for stage, rows in found.items():
        if len(rows) > 1:
            growth = rows[-1]["peak_mib"] / rows[-2]["peak_mib"] - 1
            pair = f"{counts[-2]:,} to {counts[-1]:,}"
            print(f"{stage}: peak memory {growth:+.1%} from {pair} cases")


def make_rows(counts: list[int], found: dict[str, list[dict]]) -> list[dict]:
    """Make the rows of all stages: the slope of time, and how memory grows at last."""
    rows = []
    for stage, values in found.items():
        seconds = [value["seconds"] for value in values]
        made = {"ours": seconds[-1], "unit": "s", "ratio": find_slope(counts, seconds)}
        work = f"{stage} of {counts[-1]:,} cases, slope of time over cases"
        rows.append(claims.make_row(work, **made))
        peaks = [value["peak_mib"] for value in values][-2:]
        work = f"{stage}, peak memory at {counts[-1]:,} cases beside {counts[-2]:,}"
        made = {"ours": peaks[1], "limit": peaks[0], "unit": "MiB"}
        rows.append(claims.make_row(work, ratio=peaks[1] / peaks[0], **made))
    return rows


def plot_lines(counts: list[int], found: dict[str, list[dict]]):
    """Plot seconds and memory over the cases, both axes logarithmic."""
    from matplotlib.figure import Figure  # not in the memory of the stages

    from rds_tf.plotting import plots

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    labels = {"seconds": "seconds of processor", "peak_mib": "peak memory, MiB"}
    for panel, (key, label) in zip(panels, labels.items(), strict=True):
        for colour, (stage, rows) in zip(plots.COLOURS, found.items(), strict=False):
            values = [row[key] for row in rows]
            slope = find_slope(counts, values)
            name = f"{stage}, slope {slope:.2f}"
            panel.loglog(counts, values, "o-", color=colour, label=name)
        panel.set(xlabel="cases", ylabel=label)
        panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[1].set_ylim(50, 5000)
    return figure


if __name__ == "__main__":
    main()
