"""The command line: `python -m rds_tf VERB`."""

import argparse
import os
import sys
from pathlib import Path

import rds_tf
from rds_tf import config

FOLDS = ["all", *map(str, range(config.NUM_FOLDS))]


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 when all went well, 1 when something failed, 2 on bad usage."""
    for stream in (sys.stdout, sys.stderr):  # a console may lack a path's letters
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except Exception as error:  # a person reads one sentence, --debug shows the rest
        if options.debug:
            raise
        print(" ".join(str(error).split()) or type(error).__name__, file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="python -m rds_tf",
        description="Diagnose neonatal RDS from the chest X-ray alone. "
        + config.NOT_FOR_CLINICAL_USE,
    )
    parser.add_argument("--version", action="version", version=rds_tf.__version__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    verb = _add(verbs, "phantom", phantom, "write a cohort of synthetic radiographs")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--cases", type=int, default=200, help="number of films")
    verb.add_argument("--seed", type=int, default=7)
    verb.add_argument("--tube-link", type=float, default=0.5, help="0 to 1")
    verb.add_argument("--size", type=int, default=512, help="longest side in px")
    verb.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    _add_heart(verb, "in")

    verb = _add(verbs, "prepare", prepare, "DICOM, JSON and CSV to PNG and folds")
    verb.add_argument("cohort", type=Path, help="the case table")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--root", type=Path, help="where the files lie")
    verb.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")

    verb = _add(verbs, "train", train, "train a segmenter or a classifier on folds")
    verb.add_argument("what", choices=("segmenter", "classifier"))
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder for the models")
    verb.add_argument("--fold", choices=FOLDS, default="0", help="fold held out")
    verb.add_argument("--backbone", choices=("B0", "B3", "B5"), default="B0")
    verb.add_argument("--input", choices=("whole", "combined"), default="whole")
    starts = ("auto", "imagenet", "phantom", "scratch")
    verb.add_argument("--start", choices=starts, default="auto")
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--steps", type=int, help="training steps, not the profile's")
    _add_heart(verb, "in")
    _add_profile(verb)

    verb = _add(verbs, "segment", segment, "write lung masks as PNG")
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--model", type=Path, default=config.SAVED_MODELS)
    steps = ("none", "median", "median+turns", "median+upright", "median+rotate")
    verb.add_argument("--steps", choices=steps, default="median+rotate")
    _add_heart(verb)

    verb = _add(verbs, "evaluate", evaluate, "score models on cases they never saw")
    verb.add_argument("what", choices=("segmentation", "diagnosis"))
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("--model", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--angles", default="0", help="degrees, as 0,15,45,90,180")
    _add_heart(verb)
    verb.add_argument("--json", type=Path, help="file for the scores")

    verb = _add(verbs, "diagnose", diagnose, "diagnose a film or a folder of films")
    verb.add_argument("path", type=Path, help="DICOM or PNG file, or a folder")
    verb.add_argument("--out", type=Path, required=True, help="folder to write")
    verb.add_argument("--models", type=Path, default=config.SAVED_MODELS)

    verb = _add(verbs, "demo", demo, "run the notebooks 01 to 05 and print the table")
    _add_profile(verb)
    verb.add_argument("--cohort", type=Path, help="your case table")
    verb.add_argument("--root", type=Path, help="where its files lie")

    verb = _add(verbs, "ship", ship, "train the shipped models on phantoms again")
    verb.add_argument("--out", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--only", choices=("segmenter", "classifier"))
    return parser


def _add(verbs, name: str, run, summary: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name, help=summary, description=f"{summary}. {config.NOT_FOR_CLINICAL_USE}"
    )
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    verb.set_defaults(run=run)
    return verb


def _add_profile(verb) -> None:
    verb.add_argument("--profile", choices=sorted(config.PROFILES), default="quick")


def _add_heart(verb, default: str | None = None) -> None:
    text = "lungs with the part behind the heart or not; default the model's first"
    verb.add_argument("--heart", choices=("in", "out"), default=default, help=text)


def phantom(options) -> None:
    """Write a phantom cohort."""
    from rds_tf.phantoms import dataset

    truth = dataset.write_cohort(
        options.out,
        options.cases,
        options.seed,
        options.tube_link,
        options.size,
        options.workers,
        options.heart,
    )
    print(f"{len(truth)} phantoms in {options.out}")


def prepare(options) -> int:
    """Prepare a cohort; 1 if a row was rejected."""
    from rds_tf.data import prepare

    done = prepare.prepare(options.cohort, options.out, options.root, options.workers)
    images = f"{done.num_images} images ({done.num_reused} of them done before)"
    print(f"{images}, {done.num_masks} masks, {done.num_rejected} rows rejected.\n")
    print(done.audit.round(3).to_string(index=False))
    notes = prepare.load_manifest(options.out)["notes"]
    print(f"\nCases with a note in the manifest: {(notes != '').sum()}.")
    shared = done.audit["shared_patients"].sum()
    print(f"Patients in more than one fold: {shared}. All in {options.out}")
    if done.num_rejected:
        print(f"Rows were rejected: {options.out / 'rejected.csv'}", file=sys.stderr)
    return 1 if done.num_rejected else 0


def train(options) -> None:
    """Train on one fold or on all."""
    from rds_tf.diagnosis import recipe as diagnosis_recipe
    from rds_tf.lungs import recipe as lungs_recipe

    profile = config.load_profile(options.profile, options.steps)
    every = range(config.NUM_FOLDS)
    for fold in every if options.fold == "all" else [int(options.fold)]:
        run = options.prepared, options.out, fold, profile
        if options.what == "segmenter":
            folder = lungs_recipe.train_fold(*run, options.start, options.heart)
        else:
            arm = options.backbone, options.input, options.start, options.segmenter
            folder = diagnosis_recipe.train_fold(*run, *arm)
        print(f"fold {fold} held out: {folder}")


def segment(options) -> None:
    """Write a mask for every prepared film."""
    from rds_tf.lungs import segmenter

    count = segmenter.segment_folder(
        options.model, options.prepared, options.out, options.steps, options.heart
    )
    print(f"{count} masks in {options.out}")


def evaluate(options) -> None:
    """Print a ladder or a comparison of arms, and write it as JSON."""
    from rds_tf import store
    from rds_tf.study import report

    if options.what == "segmentation":
        from rds_tf.lungs import ladder

        angles = _read_angles(options.angles)
        cases = options.prepared, options.model
        result = ladder.evaluate(*cases, angles, heart=options.heart)
    else:
        from rds_tf.diagnosis import classifier

        models = classifier.load_classifiers(options.model)
        result = classifier.evaluate(options.prepared, models, options.segmenter)
    if options.json:
        store.write_json(options.json, result)
    print(report.format_scores(options.what, result, options.prepared.resolve().name))


def _read_angles(text: str) -> list[float]:
    try:
        return [float(angle) for angle in text.split(",")]
    except ValueError:
        raise ValueError(
            f"`--angles` must be numbers such as 0,45,90. Received: {text!r}"
        ) from None


def diagnose(options) -> int:
    """Diagnose films; 1 if one was refused."""
    from rds_tf.diagnosis import diagnose

    if not options.path.exists():
        raise FileNotFoundError(f"{options.path}: there is no such file or folder.")
    models = diagnose.load_models(options.models)
    done, refused = diagnose.diagnose_files(options.path, options.out, models)
    for record in done:
        print("{file}: {decision}, probability {probability:.3f}".format(**record))
    for sentence in refused:
        print(sentence, file=sys.stderr)
    print(f"{len(done)} diagnosed, {len(refused)} refused, in {options.out}")
    print(config.NOT_FOR_CLINICAL_USE)
    return 1 if refused else 0


def demo(options) -> None:
    """Run the main job."""
    from rds_tf.study import demo

    demo.run(options.profile, options.cohort, options.root)


def ship(options) -> None:
    """Train the shipped models."""
    from rds_tf import store
    from rds_tf.diagnosis import recipe as diagnosis_recipe
    from rds_tf.lungs import recipe as lungs_recipe

    if options.only != "classifier":
        print(lungs_recipe.train_on_phantoms(options.out))
    if options.only != "segmenter":
        print(diagnosis_recipe.train_on_phantoms(options.out))
    print(store.write_checksums(options.out))


if __name__ == "__main__":
    sys.exit(main())
