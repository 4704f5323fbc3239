"""Train the shipped models again, on phantoms alone: about 45 minutes on two cores.

    python saved_models/build.py [--only segmenter|classifier] [--out FOLDER]

Imports stand in the functions: each process that draws phantoms imports this file, and
must not load TensorFlow.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

SEGMENTER = {"image_size": 128, "filters": 16, "num_masks": 2}
NUM_PHANTOMS = 12_000  # of the segmenter's training
SEGMENTER_STEPS = 2_000
CLASSIFIER = {"backbone": "B0", "image_size": 128}
NUM_CASES = 1_500  # of the classifier's phantom cohort
CLASSIFIER_STEPS = 600
CLASSIFIER_WEEKS = 24.0, 400.0  # opacity at any age, not a newborn's shape, tells RDS
BATCH_SIZE = 16


def main(arguments: list[str] | None = None) -> None:
    """Train one model or both, then write the checksums of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("segmenter", "classifier"))
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(arguments)
    if options.only != "classifier":
        print(train_segmenter(options.out))
    if options.only != "segmenter":
        print(train_classifier(options.out))
    print(write_checksums(options.out))


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
) -> Path:
    """Train the shipped classifier on a phantom cohort, seen through its lungs.

    The tube is drawn without any link to RDS, so that nothing can be read from it.

    Args:
        out: folder that receives `rds_classifier/`, whose path is returned; the
            segmenter in it, or else the shipped one, finds the lungs.
        num_cases: int, radiographs of the phantom cohort.
        num_steps: int, steps of `BATCH_SIZE` images.
        seed: int.
    """
    from rds_tf import config
    from rds_tf.classification import classifier_training, efficientnet
    from rds_tf.data import pipeline
    from rds_tf.lungs import segmenter
    from rds_tf.storage import model_store

    tools = segmenter.load_segmenters(model_store.choose_models(out, "segmenter"))
    windows, labels = _make_windows(tools, num_cases, seed)
    config.set_seed(seed)
    model = efficientnet.build_classifier(**CLASSIFIER)
    start, _ = efficientnet.load_start(model, CLASSIFIER["backbone"])
    batches = pipeline.classification_dataset(
        windows, labels, BATCH_SIZE, training=True
    )
    record = {
        "data": f"{num_cases} phantoms, no real film",
        "start": start,
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    folder = out / "rds_classifier"
    rate = 2 * classifier_training.LEARNING_RATE
    classifier_training.fit(model, batches, folder, rate, record)
    return classifier_training.save(
        model,
        folder,
        CLASSIFIER,
        "combined",
        record,
        segmenters=[one.describe() for one in tools],
    )


def _make_windows(segmenters: list, num_cases: int, seed: int):
    """Draw a cohort and cut it to its lungs: uint8 `(N, S, S, 1)`, labels `(N,)`."""
    from rds_phantoms import dataset
    from rds_tf.classification import classifier
    from rds_tf.data import prepare

    with tempfile.TemporaryDirectory() as scratch:
        cohort, prepared = Path(scratch) / "cohort", Path(scratch) / "prepared"
        dataset.write_cohort(
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
    return windows, table["rds"]


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
