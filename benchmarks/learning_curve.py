"""Fine-tune the shipped segmenter on few and many outlined films, and from scratch.

    python benchmarks/learning_curve.py PREPARED OUT [--films 10 50 all] [--draws 2]

PREPARED is what `rds-tf prepare` wrote. Fold 0 is held out; patients are
drawn from the other folds. OUT receives each model, `learning_curve.json` (lung IoU of
`median+rotate` on fold 0, mean over films and draws, 95 % interval by patient) and
`learning_curve.png`. A killed run goes on with the next model that is not there.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rds_tf import config
from rds_tf.data import prepare
from rds_tf.lungs import evaluation, segmenter, segmenter_training
from rds_tf.plotting import plots
from rds_tf.stats import metrics
from rds_tf.storage import disk, model_store

STEP = "median+rotate"


def main():
    """Train what is missing, score all, write the figures and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--films", nargs="+", default=["10", "50", "all"])
    parser.add_argument("--draws", type=int, default=2, help="draws of few films")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--steps-all", type=int, default=600)
    options = parser.parse_args()
    table = prepare.load_manifest(options.prepared)
    table = table[table["mask"] != ""]
    test, train = table[table["fold"] == 0], table[table["fold"] != 0]
    curve = {"phantom": {"0": score_all([segmenter.load_segmenter()], options, test)}}
    for films in options.films:
        for start in ("phantom", "scratch"):
            draws = 1 if films == "all" else options.draws
            tools = [
                train_one(options, train, start, films, draw) for draw in range(draws)
            ]
            name = str(len(train)) if films == "all" else films
            curve.setdefault(start, {})[name] = score_all(tools, options, test)
            print(start, name, curve[start][name], flush=True)
    disk.write_json(options.out / "learning_curve.json", curve)
    plot_curve(curve).savefig(options.out / "learning_curve.png", dpi=110)


def train_one(options, train, start: str, films: str, draw: int):
    """Train on `films` films of whole patients, unless that was done before."""
    steps = options.steps_all if films == "all" else options.steps
    folder = options.out / f"{start}_{films}_{steps}_{draw}"
    if not (folder / model_store.MANIFEST).exists():
        rows = train if films == "all" else draw_films(train, int(films), draw)
        profile = config.load_profile("quick", steps)
        arm = segmenter_training.Arm(start)
        (job,) = segmenter_training.list_jobs(
            options.prepared, options.out, arm, profile, folds=[0]
        )
        job = dataclasses.replace(job, name=folder.name)
        segmenter_training.train_films(job, rows, start)
    return segmenter.load_segmenter(folder)


def draw_films(train, num_films: int, draw: int):
    """Draw patients at random and take one film of each."""
    mixed = train.sample(frac=1, random_state=draw)
    return mixed.drop_duplicates("patient_id").head(num_films)


def score_all(tools, options, test) -> dict:
    """Average each held-out film's lung IoU over the draws."""
    values = [score_films(tool, options, test) for tool in tools]
    return metrics.bootstrap_interval(
        np.mean(values, axis=0), groups=test["patient_id"].to_numpy()
    )


def score_films(tool, options, test) -> np.ndarray:
    """Return the lung IoU of each held-out film."""
    column = evaluation.SCORES.index("lung_iou")
    scores = evaluation.score_cases(tool.model, options.prepared, test, steps=(STEP,))
    return scores[STEP][:, column]


def plot_curve(curve: dict) -> Figure:
    """Plot lung IoU over the number of outlined films, one line a start."""
    names = sorted({films for line in curve.values() for films in line}, key=int)
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    panel = figure.subplots()
    labels = {"phantom": "from the shipped segmenter", "scratch": "from scratch"}
    for index, (start, line) in enumerate(curve.items()):
        at = np.array([names.index(films) for films in line]) + 0.06 * (index - 0.5)
        value, low, high = (
            np.array([score[part] for score in line.values()])
            for part in ("value", "low", "high")
        )
        colour = plots.COLOURS[index]
        panel.errorbar(
            at,
            value,
            [value - low, high - value],
            fmt="o-",
            color=colour,
            capsize=3,
            label=labels[start],
        )
        for x, y in zip(at, value, strict=True):
            offset = (-22, 5) if start == "phantom" else (22, -10)
            panel.annotate(
                f"{y:.3f}",
                (x, y),
                textcoords="offset points",
                xytext=offset,
                ha="center",
                fontsize=8,
                color=colour,
            )
    panel.set(xticks=range(len(names)), xticklabels=names)
    panel.set(xlabel="outlined films in training", ylabel="lung IoU, held-out films")
    panel.margins(x=0.2, y=0.2)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, loc="lower right")
    return figure


if __name__ == "__main__":
    main()
