"""Does the tube audit raise its alarm where it should, and does the cure work?

    python benchmarks/tube_audit.py [--models 40] [--seed 0] [--json FILE]

Small heads on the frozen body of the shipped classifier learn RDS on phantoms. For half
of them an endotracheal tube comes with every RDS case and with no other (a planted
shortcut), for half it comes at random. The audit sees 200 other phantoms with their tubes
marked, and does not know which is which.
The tubes are drawn by `tubes.insert`: those that `phantoms` renders are too faint for
most heads at this size.
Then two cures are tried on the planted ones: the tubes cut out of every film, and tubes
drawn in and cut out at random in training. Decisions that the tube turns are counted on
phantoms with and without it, the network's own skill where the tube tells
nothing. Results on phantoms prove code, not medicine.
"""

import argparse
import functools
import json
import multiprocessing
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from sklearn import linear_model, pipeline, preprocessing  # noqa: E402
from tqdm import tqdm  # noqa: E402

from rds_tf import metrics  # noqa: E402
from rds_tf.diagnosis import audit, classifier, tubes  # noqa: E402
from rds_tf.lungs import frame  # noqa: E402
from rds_tf.phantoms import phantom  # noqa: E402

SIZE, MARGIN = 128, 0.3  # the neck is in the picture
NUM_TRAIN, NUM_TEST, NUM_DRAWN, NUM_EPOCHS = 700, 200, 350, 2
OTHERS = {"ngt": 0.4, "uac": 0.3, "uvc": 0.3, "leads": 0.5}


def main():
    """Train, audit and cure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=40, help="of either kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start = 1_000_000 * (options.seed + 1)
    with multiprocessing.get_context("spawn").Pool() as pool:
        seeds = range(start, start + NUM_TRAIN + NUM_TEST)
        films = list(
            tqdm(pool.imap(make_films, seeds, 10), "films", len(seeds), disable=None)
        )
    for version in ("with", "without", "cut", "drawn"):
        features = read_features(np.stack([film[version] for film in films]))
        for film, row in zip(films, features, strict=True):
            film[version] = row
    train, test = films[:NUM_TRAIN], films[NUM_TRAIN:]
    watch = Watch(test, start)
    rows = {"planted": [], "clean": [], "cut out": [], "random tubes": []}
    for index in tqdm(range(options.models), "models", disable=None):
        for kind, found in rows.items():
            network = fit(train, kind, 100 * options.seed + index)
            found.append(watch.look(network, kind))
    report(rows, options.json)


def make_films(seed: int) -> dict:
    """Make one phantom with and without a tube, and what the cures make of it."""
    rng = np.random.default_rng([seed, 5])
    label = int(rng.random() < 0.5)
    severity = rng.uniform(0.25, 0.75) if label else rng.uniform(0.0, 0.5)
    others = tuple(name for name, chance in OTHERS.items() if rng.random() < chance)
    angle = rng.normal(0, 8)
    shape = (192, int(192 * rng.uniform(0.75, 1)))
    bare = phantom.make_phantom(seed, shape, severity, angle, others)
    tubed, tube = tubes.insert(bare.image, bare.mask, seed)
    images = {
        "with": tubed,
        "without": bare.image,
        "cut": tubes.remove(tubed, tube, seed),
        "drawn": tubes.insert(bare.image, bare.mask, seed + 1)[0],
    }
    windows = {name: cut(image, bare.mask) for name, image in images.items()}
    random_tube = bool(rng.random() < 0.5)
    chosen = tubed if random_tube else bare.image
    region = tube if random_tube else np.zeros_like(tube)
    case = audit.Case(chosen, bare.mask, region, label, str(seed))
    return windows | {"label": label, "tube": random_tube, "case": case}


def cut(image, mask):
    """Return what a network sees, uint8 `(SIZE, SIZE)`."""
    square = frame.choose_frame(image, mask, "combined", MARGIN).cut(image, SIZE)
    return np.round(255 * square).astype("uint8")


@functools.cache
def build_body():
    """Build the frozen body: mean and maximum over the maps of two layers of B0."""
    import keras

    (shipped,) = classifier.load_classifiers()
    layers = keras.layers
    pools = []
    for name in ("block4a_expand_activation", "top_activation"):
        features = shipped.model.get_layer(name).output
        pools += [
            layers.GlobalAveragePooling2D()(features),
            layers.GlobalMaxPooling2D()(features),
        ]
    return keras.Model(shipped.model.inputs, layers.Concatenate()(pools))


def read_features(windows):
    """Return what the body sees in uint8 windows `(N, SIZE, SIZE)`: `(N, F)`."""
    body = build_body()
    return np.concatenate(
        [
            body.predict_on_batch(windows[at : at + 50, ..., None] / np.float32(255))
            for at in tqdm(range(0, len(windows), 50), "features", disable=None)
        ]
    )


def fit(films, kind: str, seed: int):
    """Train a head on `NUM_DRAWN` of the films, tubes dealt by `kind`."""
    rng = np.random.default_rng([seed, 6])
    films = [films[i] for i in rng.choice(len(films), NUM_DRAWN, replace=False)]
    labels = np.array([film["label"] for film in films] * NUM_EPOCHS)
    seen = [choose(film, kind, rng) for _ in range(NUM_EPOCHS) for film in films]
    line = linear_model.RidgeClassifier(alpha=1000)
    return pipeline.make_pipeline(preprocessing.StandardScaler(), line).fit(
        seen, labels
    )


def choose(film: dict, kind: str, rng) -> np.ndarray:
    """Choose the features of a film that a head of this kind is trained on."""
    if kind == "clean":
        return film["with" if film["tube"] else "without"]
    tubed = film["label"] == 1  # the planted shortcut
    if kind == "cut out":
        return film["cut" if tubed else "without"]
    if kind == "random tubes" and rng.random() < 0.5:
        return film["cut" if tubed else "drawn"]
    return film["with" if tubed else "without"]


class Watch:
    """The test films: audited, and rendered with and without the tube."""

    def __init__(self, films, seed):
        """Cut the windows of the test films once."""
        self.films, self.seed, self.features = films, seed, None
        self.cases = [film["case"] for film in films]
        self.nuisance = audit.list_nuisances(self.cases)["tube"]
        self.labels = np.array([film["label"] for film in films])

    def look(self, network, kind: str) -> dict:
        """Audit a network, and count what the tube really does to it."""

        def predict(images, owners):
            if self.features is None:  # the same for every network
                masks = [self.cases[i].mask for i in owners]
                pairs = zip(images, masks, strict=True)
                windows = np.stack([cut(image, mask) for image, mask in pairs])
                self.features = read_features(windows)
            return network.decision_function(self.features)

        found = audit.judge(audit.probe(predict, self.cases, self.nuisance, self.seed))
        tubed = "cut" if kind == "cut out" else "with"  # a cure goes before every film
        stack = {
            name: np.stack([film[name] for film in self.films])
            for name in (tubed, "without")
        }
        present, absent = (
            network.decision_function(stack[tubed]),
            network.decision_function(stack["without"]),
        )
        random = np.array([film["tube"] for film in self.films])
        taken = np.where(random, present, absent)
        return {
            "alarm": found["alarm"],
            "effect": found["effect"]["value"],
            "flips": float(((present >= 0) != (absent >= 0)).mean()),
            "true_effect": float((present - absent).mean() / taken.std()),
            "auroc": audit._auroc_of(self.labels, taken),
        }


def report(rows: dict, path: Path | None) -> None:
    """Print means with intervals over networks, and the paired effect of the cures."""

    def text(values):
        found = metrics.bootstrap_interval(values)
        low, high = found["low"], found["high"]
        span = "" if low is None else f" ({low:.3f} to {high:.3f})"
        return f"{found['value']:.3f}{span}"

    columns = {
        name: {k: [r[k] for r in found] for k in found[0]}
        for name, found in rows.items()
    }
    print(
        "| networks | alarm | effect found | true effect | decisions turned | AUROC |"
    )
    print("|---|---|---|---|---|---|")
    for name, found in columns.items():
        alarm = f"{sum(found['alarm'])} of {len(found['alarm'])}"
        cells = [
            text(found[key]) for key in ("effect", "true_effect", "flips", "auroc")
        ]
        print(f"| {name} | {alarm} | {' | '.join(cells)} |")
    planted = columns["planted"]
    for name in ("cut out", "random tubes"):
        cured = columns[name]
        fewer = 1 - np.mean(cured["flips"]) / max(np.mean(planted["flips"]), 1e-9)
        gain = np.subtract(cured["auroc"], planted["auroc"])
        print(f"{name}: {fewer:.0%} fewer decisions turned, AUROC {text(gain)} higher")
    if path:
        path.write_text(json.dumps(columns, indent=1) + "\n")


if __name__ == "__main__":
    main()
