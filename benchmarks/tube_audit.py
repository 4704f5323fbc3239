"""Does the tube audit raise its alarm where it should, and does the cure work?

    python benchmarks/tube_audit.py [--models 40] [--cures 10] [--seed 0] [--json FILE]

Small networks learn RDS on phantoms. For half of them an endotracheal tube comes with
every RDS case and with no other (a planted shortcut), for half it comes at random. The
audit sees 200 other phantoms with their tubes marked, and does not know which is which.
The tubes are drawn by `tubes.insert`: those that `phantoms` renders are too faint for a
network of this size at 64 px.
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
from tqdm import tqdm  # noqa: E402

from rds_phantoms import phantom  # noqa: E402
from rds_tf import config, training
from rds_tf.audit import audit, nuisances, tubes
from rds_tf.lungs import cropping  # noqa: E402
from rds_tf.stats import metrics

SIZE, MARGIN = 64, 0.2  # the neck is in the picture
NUM_TRAIN, NUM_TEST, NUM_DRAWN, NUM_EPOCHS = 700, 200, 500, 20
CURES = ("cut out", "random tubes")
OTHERS = {"ngt": 0.4, "uac": 0.3, "uvc": 0.3, "leads": 0.5}


def main():
    """Train, audit and cure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=40, help="of either kind")
    parser.add_argument("--cures", type=int, default=10, help="planted ones cured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    start = 1_000_000 * (options.seed + 1)
    with multiprocessing.get_context("spawn").Pool() as pool:
        seeds = range(start, start + NUM_TRAIN + NUM_TEST)
        films = list(
            tqdm(pool.imap(make_films, seeds, 10), "films", len(seeds), disable=None)
        )
    train, test = films[:NUM_TRAIN], films[NUM_TRAIN:]
    watch = Watch(test, start)
    rows = {"planted": [], "clean": [], "cut out": [], "random tubes": []}
    for index in tqdm(range(options.models), "models", disable=None):
        for kind, found in rows.items():
            if kind in CURES and index >= options.cures:
                continue
            network = fit(train, kind, 100 * options.seed + index)
            found.append(watch.look(network, kind))
    report(rows, options.json)


def make_films(seed: int) -> dict:
    """Make one phantom with and without a tube, and what the cures make of it."""
    rng = np.random.default_rng([seed, 5])
    label = int(rng.random() < 0.5)
    severity = rng.uniform(0.2, 0.7) if label else rng.uniform(0.0, 0.5)
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
    crops = {name: cut(image, bare.mask) for name, image in images.items()}
    random_tube = bool(rng.random() < 0.5)
    chosen = tubed if random_tube else bare.image
    region = tube if random_tube else np.zeros_like(tube)
    case = nuisances.Case(chosen, bare.mask, region, label, str(seed))
    return crops | {"label": label, "tube": random_tube, "case": case}


def cut(image, mask):
    """Return what a network sees, uint8 `(SIZE, SIZE)`."""
    square = cropping.choose_crop(image, mask, "combined", MARGIN).cut(image, SIZE)
    return np.round(255 * square).astype("uint8")


def fit(films, kind: str, seed: int):
    """Train a small network on `NUM_DRAWN` of the films, tubes dealt by `kind`."""
    config.set_seed(seed)
    network = build()
    network.set_weights(draw_weights(network))
    for variable in network.optimizer.variables:
        if variable is not network.optimizer.learning_rate:
            variable.assign(np.zeros(variable.shape))
    rng = np.random.default_rng([seed, 6])
    films = [films[i] for i in rng.choice(len(films), NUM_DRAWN, replace=False)]
    labels = np.array([film["label"] for film in films], "float32")
    for _ in range(NUM_EPOCHS):
        images = np.stack([choose(film, kind, rng) for film in films])[..., None]
        for batch in np.array_split(rng.permutation(NUM_DRAWN), NUM_DRAWN // 32):
            network.train_on_batch(images[batch] / np.float32(255), labels[batch])
    refresh = rng.permutation(NUM_DRAWN)
    training.refresh_batch_norm(network, images[refresh])
    return network


@functools.cache
def build():
    """Build the network once; compiling it takes longer than training it."""
    import keras

    layers = keras.layers
    inputs = keras.Input((SIZE, SIZE, 1))
    x = inputs
    for filters in (8, 16, 32):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(x))
    x = layers.Dropout(0.3)(layers.Flatten()(layers.MaxPooling2D()(x)))
    network = keras.Model(inputs, layers.Dense(1)(x))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    return network


def draw_weights(network):
    """Return fresh weights of the network."""
    import keras

    return keras.models.clone_model(network).get_weights()


def choose(film: dict, kind: str, rng) -> np.ndarray:
    """Choose the version of a film that a network of this kind is trained on."""
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
        """Cut the crops of the test films once."""
        self.films, self.seed, self.crops = films, seed, None
        self.cases = [film["case"] for film in films]
        self.nuisance = nuisances.list_nuisances(self.cases)["tube"]
        self.labels = np.array([film["label"] for film in films])

    def look(self, network, kind: str) -> dict:
        """Audit a network, and count what the tube really does to it."""

        def predict(images, owners):
            if self.crops is None:  # the same for every network
                masks = [self.cases[i].mask for i in owners]
                pairs = zip(images, masks, strict=True)
                self.crops = np.stack([cut(image, mask) for image, mask in pairs])
            return logits(network, self.crops)

        found = audit.judge(audit.probe(predict, self.cases, self.nuisance, self.seed))
        tubed = "cut" if kind == "cut out" else "with"  # a cure goes before every film
        stack = {
            name: np.stack([film[name] for film in self.films])
            for name in (tubed, "without")
        }
        present, absent = (
            logits(network, stack[tubed]),
            logits(network, stack["without"]),
        )
        random = np.array([film["tube"] for film in self.films])
        taken = np.where(random, present, absent)
        return {
            "alarm": found["alarm"],
            "effect": found["effect"]["value"],
            "flips": float(((present >= 0) != (absent >= 0)).mean()),
            "true_effect": float((present - absent).mean() / taken.std()),
            "auroc": audit.compute_auroc(self.labels, taken),
        }


def logits(network, crops):
    """Return logits `(N,)` of uint8 crops `(N, SIZE, SIZE)`."""
    batches = [
        network.predict_on_batch(crops[at : at + 200, ..., None] / np.float32(255))
        for at in range(0, len(crops), 200)
    ]
    return np.concatenate(batches)[:, 0]


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
    for name in CURES:
        cured, num = columns[name], len(columns[name]["flips"])
        before = np.mean(planted["flips"][:num])
        fewer = 1 - np.mean(cured["flips"]) / max(before, 1e-9)
        gain = np.subtract(cured["auroc"], planted["auroc"][:num])
        print(f"{name}: {fewer:.0%} fewer decisions turned, AUROC {text(gain)} more")
    if path:
        path.write_text(json.dumps(columns, indent=1) + "\n")


if __name__ == "__main__":
    main()
