"""The command line `rds-tf`: its verbs, options, errors and exit status."""

import argparse
import difflib
import importlib
import inspect
import math
import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import rds_tf
from rds_tf import config, errors
from rds_tf.parallel import memory

STATUS = """Exit status:
  0    done
  1    refused or failed; one sentence says why
  2    wrong usage
  3    done, but some items were refused; each is named
  70   an error in rds-tf itself; please report it
  130  interrupted"""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return its exit status, see `STATUS`."""
    for stream in (sys.stdout, sys.stderr):  # a console may lack a path's letters
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parse(arguments)
    memory.keep_freed()
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        status, sentence = 130, "Interrupted."
    except Exception as error:  # one sentence for a person; --debug shows the rest
        if options.debug:
            raise
        if isinstance(error, (errors.RdsTfError, OSError)):
            status, sentence = 1, str(error) or type(error).__name__
        else:
            status, sentence = 70, _describe_bug(error, options.parser.prog)
    print(" ".join(sentence.split()), file=sys.stderr)
    return status


def _describe_bug(error: Exception, verb: str) -> str:
    place = "the repository of rds-tf"
    try:
        urls = metadata.metadata("rds-tf").get_all("Project-URL", [])
        place = dict(url.split(", ", 1) for url in urls)["Repository"] + "/issues"
    except (metadata.PackageNotFoundError, KeyError):
        pass  # run from a folder that is not installed
    return (
        f"This is an error in rds-tf itself, not in your input: {type(error).__name__} "
        f"in `{verb}`. Please report it at {place} with what the same command prints "
        "with --debug."
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the words of one verb; an option that it does not know is an error."""
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:
        known = re.findall("--[a-z-]+", options.parser.format_usage())
        close = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options


def _number(kind: type, low: float, high: float):
    """Return a reader of an int or a float from low to high."""

    def read(word: str):
        try:
            value = kind(word)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        name = "whole number" if kind is int else "number"
        wanted = f"must be a {name} from {low} to {high}"
        raise argparse.ArgumentTypeError(f"{wanted}. Received: {word!r}")

    return read


def _angles(words: str) -> list[float]:
    return [_number(float, -360, 360)(word) for word in words.split(",")]


def _weeks(words: str) -> list[float]:
    weeks = [_number(float, 24, 1080)(word) for word in words.split(",")]
    if len(weeks) != 2 or weeks[0] > weeks[1]:
        wanted = "must be two ages, the lower first"
        raise argparse.ArgumentTypeError(f"{wanted}. Received: {words!r}")
    return weeks


def _path(text: str, default: Path | None = None) -> dict:
    return {"type": Path, "default": default, "help": text}


def _count(text: str, default=None, low: int = 1, high: int = 1_000_000) -> dict:
    return {"type": _number(int, low, high), "default": default, "help": text}


def _fraction(text: str, default=None, low: float = 0) -> dict:
    return {"type": _number(float, low, 1), "default": default, "help": text}


def _choice(text: str, names: str, default=None) -> dict:
    return {"choices": names.split(), "default": default, "help": text}


def _flag(text: str) -> dict:
    return {"action": "store_true", "help": text}


_STEPS = "none median median+turns median+upright median+rotate"
_BACKBONES = "Lite0 B0 B3 B5"
_INPUTS = "whole combined masked"
# Every argument stands here once, so that it means the same in all verbs. What follows
# a slash in a name is not part of it: it tells two texts of one argument apart.
ARGUMENTS = {
    "cohort": _path("case table, a CSV file"),
    "out": _path("folder to write"),
    "pack": _path("folder of a reader study's films, written by `study plan`"),
    "path": _path("DICOM or PNG file, or a folder of them"),
    "prepared": _path("folder written by `prepare`"),
    "readings": _path("CSV file of readings, or a pack"),
    "results": _path("folder of results, up to three folders deep"),
    "--address": {"help": "HOST:PORT of the Ray cluster (default: one found here)"},
    "--again": _flag("repeat trainings that are finished"),
    "--angles": {"type": _angles, "default": "0", "help": "degrees, such as 0,45,90"},
    "--auroc": _fraction("AUROC without the model (default: that of --pilot, or 0.8)"),
    "--backbone": _choice("EfficientNet of the classifier", _BACKBONES, "B0"),
    "--backbones": _choice("EfficientNets to compare", _BACKBONES, ["B0"]),
    "--cases": _count("number of cases"),
    "--cohort": _path("case table, a CSV file (default: a phantom cohort)"),
    "--correlations": _fraction(
        "correlation of two ratings of a case: same reader, same arm, neither "
        "(default: that of --structure)"
    ),
    "--dicom": _flag("also write masks and overlays as DICOM objects"),
    "--effect": _fraction("gain in AUROC that the study should find", 0.05, low=-1),
    "--engine": _choice("processes here, or a Ray cluster", "local ray", "local"),
    "--finding": {"default": config.FINDING, "help": "what label 1 means"},
    "--fold": _choice("fold to hold out, or all in turn", "0 1 2 3 4 all", "0"),
    "--heart": _choice("lung behind the heart: in the mask or out", "in out", "in"),
    "--heart/models": _choice(
        "lung behind the heart: in the mask or out (default: the models' first)",
        "in out",
    ),
    "--host": {"default": "127.0.0.1", "help": "address to listen on"},
    "--image-px": _count(
        "side of the network's input in pixels (default: the profile's)", None, 16, 4096
    ),
    "--input": _choice("what the classifier sees", _INPUTS, "whole"),
    "--inputs": _choice("what the classifiers see", _INPUTS, _INPUTS.split()),
    "--json": _path("file for the figures"),
    "--key": _path("truth of a pack (default: PACK_key.csv beside it)"),
    "--longest-px": _count("longest side of a film in pixels", 512, 32, 4096),
    "--models": _path("folder of trained models to use", config.SAVED_MODELS),
    "--nuisance": _choice(
        "what must not change the diagnosis", "tube ratio brightness", "tube"
    ),
    "--operating-point": _choice(
        "threshold of best accuracy, or of 95 percent sensitivity",
        *("accurate sensitive", "accurate"),
    ),
    "--order": _choice(
        "sequential: with the model right after alone; crossover: in two sessions",
        *("sequential crossover", "sequential"),
    ),
    "--out": _path("folder to write"),
    "--pilot": _path("CSV file of readings that gives the variances"),
    "--port": _count("port to listen on, 0 for a free one", 7860, 0, 65535),
    "--post-processing": _choice("steps after the network", _STEPS, "median+rotate"),
    "--power": _fraction("power that the study should reach", 0.8),
    "--profile": _choice("minutes on 2 cores, hours on a GPU", "quick full", "quick"),
    "--reader-sd": _fraction(
        "SD of readers' AUROCs: common to both arms, and added by each arm (default: "
        " that of --structure)"
    ),
    "--readers": _count("number of readers", 6),
    "--root": _path("folder of the cohort's films (default: that of the table)"),
    "--seed": _count("seed of all random numbers", 0, 0),
    "--seeds": _count("seeds, with one training each", [0], 0),
    "--segmenter": _path("segmenter or segmenters for the lungs", config.SAVED_MODELS),
    "--segmenter/own": _path(
        "folder in which to look for the segmenters that the classifiers were trained "
        "with (default: the models' folder, then the shipped ones)"
    ),
    "--simulations": _count("simulated studies that check the formula", 1000, 0),
    "--start": _choice(
        "weights to start from; auto: the first of the others that is there",
        *("auto imagenet phantom scratch", "auto"),
    ),
    "--start/segmenter": {
        "default": "auto",
        "help": "auto, phantom, scratch, or the folder of a segmenter to start from",
    },
    "--structure": _choice(
        "high or low correlation of ratings, then spread of readers (Roe and Metz)",
        *("HL LL HH LH", "HL"),
    ),
    "--threshold": _fraction("lowest probability that is called positive"),
    "--training-steps": _count("steps, a multiple of 10 (default: the profile's)"),
    "--tube-link": _fraction("does a tube go with RDS: 0 by chance, 1 always", 0.5),
    "--tubes": _path("folder of drawn tubes, CASE.png"),
    "--washout-days": _count("days between the sessions of a crossover", 28, 0, 3650),
    "--weeks": {
        "type": _weeks,
        "help": "least and most post-menstrual age in weeks, such as 26,40 "
        "(default: the ages of a newborn ward)",
    },
    "--workers": _count("number of processes (default: one a core)"),
}
SEVERAL = {"--backbones": "+", "--inputs": "+", "--seeds": "+"}
SEVERAL |= {"--correlations": 3, "--reader-sd": 2}
# The packages whose module `commands` brings verbs, in the order of `--help`. They are
# named, not imported: the method knows nothing of its neighbours.
PACKAGES = ("rds_tf", "rds_pages", "rds_readers")
GROUPS = {
    "train": "Train a segmenter or a classifier on all folds but one",
    "evaluate": "Score models on films that they never saw",
    "study": "Plan or analyse a reader study",
    "serve": "Open a web page: a reading room, or the exhibition",
}


class _Formatter(argparse.HelpFormatter):
    """Shows every default, and keeps the lines of an example or a table."""

    def _fill_text(self, text, width, indent):
        fill, blocks = super()._fill_text, text.split("\n\n")
        kept = [b if "\n  " in b else fill(b, width, indent) for b in blocks]
        return "\n\n".join(kept)

    def _get_help_string(self, action):
        default = action.default
        if not action.option_strings or action.required or action.nargs == 0:
            return action.help
        if default is None and "(default: " in action.help:
            return action.help
        if isinstance(default, list):
            default = " ".join(map(str, default))
        shown = {None: "none", config.SAVED_MODELS: "the shipped ones"}
        return f"{action.help} (default: {shown.get(default, default)})"


def list_verbs() -> dict[str, tuple[Callable, str]]:
    """List the verbs of all packages: what does each, and what it takes.

    What it takes are keys of `ARGUMENTS`. `?` at the end: may be left out; `!`: may
    not; `=`: its default; `|`: one of them.
    """
    modules = [importlib.import_module(f"{name}.commands") for name in PACKAGES]
    return {
        verb: (getattr(module, verb.replace(" ", "_")), arguments)
        for module in modules
        for verb, arguments in module.VERBS.items()
    }


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; each verb's docstring describes it."""
    text = "Diagnose neonatal respiratory distress syndrome (RDS) from the chest X-ray."
    parser = argparse.ArgumentParser(
        prog="rds-tf",
        formatter_class=_Formatter,
        allow_abbrev=False,
        description=f"{text} {config.NOT_FOR_CLINICAL_USE}",
        epilog=f"{STATUS}\n\n`rds-tf VERB --help` explains a verb.",
    )
    parser.add_argument("--version", action="version", version=rds_tf.__version__)
    groups = {"": parser.add_subparsers(metavar="VERB", required=True)}
    for name, (run, arguments) in list_verbs().items():
        group, _, verb = name.rpartition(" ")
        if group not in groups:
            groups[group] = _add_parser(
                groups[""], group, GROUPS[group]
            ).add_subparsers(metavar="VERB", required=True)
        text, _, example = inspect.getdoc(run).partition("\nExample: ")
        added = _add_parser(groups[group], verb, text, f"Example:\n  {example}")
        for choice in arguments.split():
            _add_argument(added, choice)
        text = "show the traceback of an error"
        added.add_argument("--debug", action="store_true", help=text)
        added.set_defaults(run=run, parser=added)
    return parser


def _add_parser(verbs, name: str, text: str, epilog: str = ""):
    return verbs.add_parser(
        name,
        help=text.partition("\n")[0].rstrip("."),
        description=f"{text.rstrip().rstrip('.')}. {config.NOT_FOR_CLINICAL_USE}",
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )


def _add_argument(parser, choice: str) -> None:
    """Add one argument to a parser, or a choice of two; see `list_verbs`."""
    place = parser.add_mutually_exclusive_group() if "|" in choice else parser
    for word in choice.split("|"):
        key, _, default = word.rstrip("?!").partition("=")
        more = {"nargs": SEVERAL[key]} if key in SEVERAL else {}
        more |= {"default": default} if default else {}
        more |= {"?": {"nargs": "?"}, "!": {"required": True}}.get(word[-1], {})
        place.add_argument(key.partition("/")[0], **ARGUMENTS[key] | more)
