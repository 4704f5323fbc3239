"""Time the whole of `diagnose` beside the sum of its bare forward passes.

    python benchmarks/diagnose_cost.py [--films 12] [--rounds 5] [--json FILE]

An ensemble of five B0 and the segmenter with its six passes (four quarter turns, two
upright ones) diagnose a folder of phantoms, files written as the verb writes them:
decoding, all passes, heat map, warnings, JSON and picture. The limit is the sum of what
no code around the networks can take away: six forward passes of the U-Net and a pass of
each B0, traced, one film a call. In turns in one process, once warm, medians over the
rounds. Two cases: the networks as shipped (128 px) on films of the quick profile's
size, and the same weights at the full profile's sizes (256 and 224 px) on films of its
size; a third, as shipped on films of 1657 px as the study's, shows what the film's own
size costs.

Then the first answer of a cold process at shipped sizes, and what importing TensorFlow
takes of it.
"""

import argparse
import contextlib
import dataclasses
import io
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import claims
import numpy as np
import tensorflow as tf

from rds_phantoms import dataset
from rds_tf import config
from rds_tf.classification import classifier, efficientnet
from rds_tf.diagnosis import batch, diagnose
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter, unet
from rds_tf.storage import model_store


@dataclasses.dataclass(frozen=True)
class Case:
    """Sizes in px: of the networks' inputs, and the longest side of the films."""

    name: str
    segmenter: int
    classifier: int
    film: int


CASES = (
    Case("as shipped, films of 384 px", 128, 128, 384),
    Case("at the full profile's sizes, films of 1024 px", 256, 224, 1024),
    Case("as shipped, films of 1657 px", 128, 128, 1657),
)
COLD = """
import sys, time
begun = time.perf_counter()
import tensorflow
imported = time.perf_counter()
from rds_tf.diagnosis import diagnose
diagnose.diagnose(sys.argv[2], diagnose.load_models(sys.argv[1]))
print(imported - begun, time.perf_counter() - imported)
"""


def main():
    """Time every case, then cold processes; print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in [CASES[index] for index in options.cases]:
            folder = Path(scratch) / str(case.film)
            films, models = write_case(case, folder, options.films)
            chain, bare = measure(films, models, folder, options.rounds)
            rows.append(
                claims.make_row(
                    f"diagnose by five, {case.name}, beside its bare passes",
                    ours=1000 * chain,
                    unit="ms a film",
                    ratio=chain / bare,
                    must="<= 1.25",
                    limit=1000 * bare,
                )
            )
            print(f"{case.name}: {chain / bare:.2f}", file=sys.stderr)
        rows += time_cold(models, films[0], options.rounds)
    claims.publish(rows, options.json)


def write_case(case: Case, folder: Path, num_films: int):
    """Write films, a segmenter and five classifiers; return films, models' folder."""
    dataset.write_cohort(folder / "cohort", num_films, longest_px=case.film)
    models = folder / "models"
    for kind, build, size, copies in (
        ("segmenter", unet.build_unet, case.segmenter, 1),
        ("classifier", efficientnet.build_classifier, case.classifier, 5),
    ):
        (shipped,) = model_store.find_models(config.SAVED_MODELS, kind)
        source, manifest = model_store.load_model(shipped, kind, build)
        manifest["architecture"]["image_size"] = size
        model = build(**manifest["architecture"])
        model.set_weights(source.get_weights())  # they fit images of any size
        for copy in range(copies):
            model_store.save_model(model, models / f"{kind}_{copy}", dict(manifest))
    return sorted((folder / "cohort" / "dicom").iterdir()), models


def measure(films: list[Path], models: Path, folder: Path, rounds: int):
    """Return the median seconds a film of the whole chain, and of its bare passes."""
    loaded = diagnose.load_models(models)
    passes = build_passes(loaded.segmenters[0].model, models)
    seconds = [], []

    def run_chain():
        with contextlib.redirect_stderr(io.StringIO()):  # the progress bar
            batch.diagnose_files(films[0].parent, folder / "out", loaded)

    def run_bare():
        for _ in films:
            for forward, image in passes:
                forward(image).numpy()

    for turn in range(rounds + 1):
        for run, kept in zip((run_chain, run_bare), seconds, strict=True):
            start = time.perf_counter()
            run()
            if turn:
                kept.append((time.perf_counter() - start) / len(films))
    return map(statistics.median, seconds)


def build_passes(unet_model, models: Path) -> list:
    """Return every forward pass that a diagnosis needs, with an image of its size."""
    rng = np.random.default_rng(0)
    networks = [unet_model] * segmenter.STEPS["median+rotate"]
    networks += [one.model for one in classifier.load_classifiers(models)]
    traced = {
        id(network): tf.function(
            lambda image, network=network: network(image, training=False),
            autograph=False,
        )
        for network in networks
    }
    return [
        (
            traced[id(network)],
            tf.constant(rng.random((1, *network.input_shape[1:]), "f4")),
        )
        for network in networks
    ]


def time_cold(models: Path, film: Path, rounds: int) -> list[dict]:
    """Return the rows of the first answer of processes that start anew."""
    radiograph.read_image(film)  # on the disk's cache, like TensorFlow itself
    times = []
    for _ in range(rounds):
        command = [sys.executable, "-c", COLD, models, film]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append([float(part) for part in done.stdout.split()[-2:]])
        print(f"cold: {times[-1]}", file=sys.stderr)
    imported, answered = np.median(times, axis=0)
    whole = float(np.median(np.sum(times, axis=1)))
    work = "first answer of a cold process by five"
    return [
        claims.make_row(work, ours=whole, unit="s", must="<= 12"),
        claims.make_row("of it, importing TensorFlow", ours=imported, unit="s"),
        claims.make_row("of it, models and the answer", ours=answered, unit="s"),
    ]


if __name__ == "__main__":
    main()
