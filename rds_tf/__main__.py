"""The command line: `python -m rds_tf VERB`."""

import argparse
import sys
from pathlib import Path

import rds_tf
from rds_tf import commands, config
from rds_tf.parallel import memory

BACKBONES = ("B0", "B3", "B5")
INPUTS = ("whole", "combined", "masked")
STARTS = ("auto", "imagenet", "phantom", "scratch")
TUBES = "folder of drawn tubes, <case>.png"
FINDING = "what label 1 of the cohort stands for"
ORDERS = ("sequential", "crossover")
STRUCTURES = ("HL", "LL", "HH", "LH")
FOLDS = ["all", *map(str, range(config.NUM_FOLDS))]


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 when all went well, 1 when something failed, 2 on bad usage."""
    for stream in (sys.stdout, sys.stderr):  # a console may lack a path's letters
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    memory.keep_freed()
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
    places = parser.add_subparsers(metavar="VERB", required=True)

    verb = _add(places, "phantom", "write a cohort of synthetic radiographs")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--cases", type=int, default=200, help="number of films")
    verb.add_argument("--seed", type=int, default=7)
    verb.add_argument("--tube-link", type=float, default=0.5, help="0 to 1")
    verb.add_argument("--size", type=int, default=512, help="longest side in px")
    verb.add_argument("--workers", type=int, help="processes, default one a core")
    _add_heart(verb, "in")

    verb = _add(places, "prepare", "DICOM, JSON and CSV to PNG and folds")
    verb.add_argument("cohort", type=Path, help="the case table")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--root", type=Path, help="where the files lie")
    verb.add_argument("--workers", type=int, help="processes, default one a core")
    _add_engine(verb)

    verb = _add(places, "train", "train a segmenter or a classifier on folds")
    verb.add_argument("what", choices=("segmenter", "classifier"))
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder for the models")
    verb.add_argument("--fold", choices=FOLDS, default="0", help="fold held out")
    verb.add_argument("--backbone", choices=BACKBONES, default="B0")
    verb.add_argument("--input", choices=INPUTS, default="whole")
    verb.add_argument("--seed", type=int, default=0, help="of a classifier's training")
    verb.add_argument(
        "--start",
        default="auto",
        help=f"{', '.join(STARTS)}, or for a segmenter a folder that holds one",
    )
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--steps", type=int, help="training steps, not the profile's")
    verb.add_argument("--size", type=int, help="image size of a segmenter in px")
    _add_heart(verb, "in")
    _add_profile(verb)
    _add_engine(verb)

    verb = _add(places, "segment", "write lung masks as PNG")
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder to write")
    verb.add_argument("--model", type=Path, default=config.SAVED_MODELS)
    steps = ("none", "median", "median+turns", "median+upright", "median+rotate")
    verb.add_argument("--steps", choices=steps, default="median+rotate")
    _add_heart(verb)

    verb = _add(places, "evaluate", "score models on cases they never saw")
    verb.add_argument("what", choices=("segmentation", "diagnosis"))
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("--model", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--angles", default="0", help="degrees, as 0,15,45,90,180")
    _add_heart(verb)
    verb.add_argument("--json", type=Path, help="file for the scores")

    verb = _add(places, "compare", "train and compare arms on all folds")
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder for models, table and page")
    verb.add_argument("--backbones", nargs="+", choices=BACKBONES, default=["B0"])
    verb.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    verb.add_argument("--seeds", nargs="+", type=int, default=[0])
    verb.add_argument("--tubes", type=Path, help=TUBES)
    verb.add_argument("--finding", default=config.FINDING, help=FINDING)
    verb.add_argument("--start", choices=STARTS, default="auto")
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--steps", type=int, help="training steps, not the profile's")
    _add_profile(verb)
    _add_engine(verb)

    verb = _add(places, "audit", "does a classifier lean on the tube, or on the film?")
    verb.add_argument("prepared", type=Path, help="folder written by prepare")
    verb.add_argument("out", type=Path, help="folder for the page")
    verb.add_argument("--model", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--segmenter", type=Path, default=config.SAVED_MODELS)
    names = ("tube", "ratio", "brightness")
    verb.add_argument("--nuisance", choices=names, default="tube")
    verb.add_argument("--tubes", type=Path, help=TUBES)

    verb = _add(places, "diagnose", "diagnose a film or a folder of films")
    verb.add_argument("path", type=Path, help="DICOM or PNG file, or a folder")
    verb.add_argument("--out", type=Path, required=True, help="folder to write")
    verb.add_argument("--models", type=Path, default=config.SAVED_MODELS)
    text = "write a DICOM Segmentation and a Secondary Capture beside each DICOM film"
    verb.add_argument("--dicom", action="store_true", help=text)

    _add_study(places)
    _add_serve(places)

    verb = _add(places, "report", "results, model card and checklists of a run")
    verb.add_argument("run_folder", type=Path, help="folder of results")
    verb.add_argument("out", type=Path, help="folder to write")

    verb = _add(places, "demo", "run the notebooks 01 to 05 and print the table")
    _add_profile(verb)
    verb.add_argument("--cohort", type=Path, help="your case table")
    verb.add_argument("--root", type=Path, help="where its files lie")
    return parser


def _add_study(places) -> None:
    """Add the two verbs of a reader study."""
    places = _add_group(places, "study", "plan and analyse a reader study")

    verb = _add(places, "plan", "sizes of a reader study, and its pack", "study_plan")
    verb.add_argument("prepared", nargs="?", type=Path, help="folder of prepare")
    verb.add_argument("pack", nargs="?", type=Path, help="folder to write")
    verb.add_argument("--models", type=Path, default=config.SAVED_MODELS)
    verb.add_argument("--readers", type=int, default=6)
    verb.add_argument(
        "--cases", type=int, default=100, help="half of them with label 1"
    )
    verb.add_argument("--finding", default=config.FINDING, help=FINDING)
    verb.add_argument("--order", choices=ORDERS, default="sequential")
    text = "between the sessions of a crossover"
    verb.add_argument("--washout-days", type=int, default=28, help=text)
    text = "of readers alone, default the pilot's, or 0.8"
    verb.add_argument("--auroc", type=float, help=text)
    verb.add_argument("--effect", type=float, default=0.05, help="gain in AUROC")
    verb.add_argument("--power", type=float, default=0.8, help="power asked for")
    text = "CSV of readings whose variances are taken, not --structure's"
    verb.add_argument("--pilot", type=Path, help=text)
    text = "H or L correlation of ratings, then H or L spread of readers (Roe and Metz)"
    verb.add_argument("--structure", choices=STRUCTURES, default="HL", help=text)
    text = "of two ratings of a film: same reader, same arm, neither; not --structure's"
    verb.add_argument(
        "--correlations", nargs=3, type=float, metavar=("R", "A", "N"), help=text
    )
    text = "SD of readers' AUROC: common to both arms, and change with the arm"
    verb.add_argument("--reader-sd", nargs=2, type=float, metavar=("C", "A"), help=text)
    text = "simulated studies that check the formula, 0 for none"
    verb.add_argument("--simulations", type=int, default=1000, help=text)
    verb.add_argument("--seed", type=int, default=7)

    verb = _add(places, "analyse", "analyse a reader study", "study_analyse")
    verb.add_argument("readings", type=Path, help="CSV of readings, or a pack")
    verb.add_argument("--key", type=Path, help="truth of a pack, default beside it")
    verb.add_argument("--out", type=Path, help="folder for page and figures")
    verb.add_argument("--json", type=Path, help="file for the figures")


def _add_serve(places) -> None:
    """Add the two web pages."""
    places = _add_group(places, "serve", "open a web page: reading room or demo")
    verb = _add(places, "study", "the reading room of a pack", "serve_study")
    verb.add_argument("pack", type=Path, help="folder written by study plan")
    _add_place(verb)
    verb = _add(places, "demo", "the exhibition page", "serve_demo")
    verb.add_argument("--models", type=Path, default=config.SAVED_MODELS)
    _add_place(verb)


def _add_group(places, name: str, summary: str):
    group = places.add_parser(
        name, help=summary, description=f"{summary}. {config.NOT_FOR_CLINICAL_USE}"
    )
    return group.add_subparsers(metavar="VERB", required=True)


def _add(
    places, name: str, summary: str, body: str | None = None
) -> argparse.ArgumentParser:
    verb = places.add_parser(
        name, help=summary, description=f"{summary}. {config.NOT_FOR_CLINICAL_USE}"
    )
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    verb.set_defaults(run=getattr(commands, body or name))
    return verb


def _add_place(verb) -> None:
    verb.add_argument("--host", default="127.0.0.1", help="address to listen on")
    verb.add_argument("--port", type=int, default=7860)


def _add_profile(verb) -> None:
    verb.add_argument("--profile", choices=sorted(config.PROFILES), default="quick")


def _add_engine(verb) -> None:
    text = "processes of this machine, or the machines of a Ray cluster"
    verb.add_argument("--engine", choices=("local", "ray"), default="local", help=text)
    text = "HOST:PORT of the Ray cluster, default one of this machine"
    verb.add_argument("--address", help=text)


def _add_heart(verb, default: str | None = None) -> None:
    text = "lungs with the part behind the heart or not; default the model's first"
    verb.add_argument("--heart", choices=("in", "out"), default=default, help=text)


if __name__ == "__main__":
    sys.exit(main())
