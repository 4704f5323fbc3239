"""One results table for a run: CSV for programs, HTML and text for people."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rds_pages.reports import document
from rds_tf import config, errors
from rds_tf.storage import disk

TITLES = {
    "segmentation": "Lung segmentation",
    "diagnosis": "Diagnosis from the radiograph alone",
}
COLUMNS = ["task", "data", "num_cases", "arm", "metric", "value", "low", "high"]
COUNTS = ("TN", "FP", "FN", "TP")
NAMES = {"miou": "MIoU", "lung_iou": "Lung IoU", "dice": "Dice", "auroc": "AUROC"}
NAMES |= {"miou_gain": "MIoU gain", "loss": "Lung IoU lost"}
NOTE = "Mean or proportion, with its 95 % bootstrap interval over patients."


def write_results_table(folder: str | Path) -> pd.DataFrame:
    """Write `results.csv` and `results.html` from the scores in a run's folder.

    Args:
        folder: holds `segmentation.json`, `diagnosis.json` or both, as
            `rds-tf evaluate` writes them. An entry `"data"` in a file names
            what was measured; without it the folder's name stands there.

    Returns:
        The table, one score a row: columns `task`, `data`, `num_cases`, `arm`,
        `metric`, `value`, `low`, `high`. A score that is not defined is NaN; the
        counts `TN`, `FP`, `FN` and `TP` have no interval.

    Raises:
        FileNotFoundError: if the folder holds neither file.
        ValueError: if a file is not what `evaluate` writes.
    """
    folder = Path(folder)
    paths = {task: folder / f"{task}.json" for task in READERS}
    found = {task: path for task, path in paths.items() if path.is_file()}
    if not found:
        raise FileNotFoundError(
            f"{folder}: holds neither segmentation.json nor diagnosis.json."
        )
    parts = []
    for task, path in found.items():
        try:
            scores = json.loads(path.read_text(encoding="utf-8"))
            parts.append(make_table(task, scores, folder.resolve().name))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise errors.InputError(
                f"{path}: is not a file of scores: {type(error).__name__} {error}."
            ) from error
    table = pd.concat(parts, ignore_index=True)
    disk.write_whole(folder / "results.csv", table.to_csv(index=False).encode())
    title = document.Heading("rds_tf: results", 1)
    page = document.to_html([title, *list_blocks(table)])
    disk.write_whole(folder / "results.html", page.encode())
    return table


def make_table(task: str, scores: dict, data: str = "") -> pd.DataFrame:
    """List the scores of one `evaluate` as the rows of `write_results_table`.

    Args:
        task: `"segmentation"` or `"diagnosis"`.
        scores: what `evaluation.evaluate` or `classifier.evaluate` returned.
        data: name of the data, where the scores do not carry one.
    """
    start = {
        "task": task,
        "data": scores.get("data", data),
        "num_cases": scores["num_cases"],
    }
    rows = [start | row for row in READERS[task](scores)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"value": float, "low": float, "high": float})


def list_blocks(table: pd.DataFrame) -> list[document.Block]:
    """List the blocks of `write_results_table`: a table a task, and a note."""
    blocks = []
    for task, part in table.groupby("task", sort=False):
        first = part.iloc[0]
        data = f"data: {first['data']}, {first['num_cases']} cases"
        head, *rows = make_grid(part)
        blocks.append(document.Heading(f"{TITLES[task]} ({data})"))
        blocks.append(document.Table(head, rows))
    return [*blocks, document.Paragraph(NOTE)]


def format_table(table: pd.DataFrame) -> str:
    """Lay the table of `write_results_table` out as text for the terminal."""
    return f"{document.to_text(list_blocks(table))} {config.NOT_FOR_CLINICAL_USE}"


def format_scores(task: str, scores: dict, data: str = "") -> str:
    """Lay out the scores of one `evaluate` as text: table and quality control."""
    blocks = [format_table(make_table(task, scores, data))]
    if "quality_control" in scores:
        blocks.append(_format_quality_control(scores["quality_control"]))
    return "\n\n".join(blocks)


def _format_quality_control(found: dict) -> str:
    """Say in a sentence what `quality_control.judge_quality` found."""
    caught, false_alarms, caught_at_10 = (
        "-" if found[name] is None else f"{found[name]:.0%}"
        for name in ("caught", "false_alarms", "caught_at_10")
    )
    return (
        f"Mask quality control: of {found['num_bad']} bad masks (Dice < "
        f"{found['bad_dice']}) {caught} were flagged, of {found['num_good']} good ones "
        f"{false_alarms}; at 10 % false alarms {caught_at_10} of the bad ones."
    )


def _list_steps(scores: dict) -> list[dict]:
    """List the scores of each post-processing step at each angle, and the worst."""
    rows = []
    passes = scores.get("forward_passes", scores.get("passes", {}))  # its name before
    for angle, steps in scores["angles"].items():
        for step, metrics in steps.items():
            arm = step if angle == "0" else f"{step}, turned by {angle} degrees"
            if angle == "0" and passes.get(step, 1) > 1:
                arm = f"{step} ({passes[step]} passes)"
            rows += [_make_row(arm, *score) for score in metrics.items()]
    for step, worst in scores.get("worst", {}).items():
        arm = f"{step}, worst angle ({worst['angle']} degrees)"
        rows += [_make_row(arm, name, worst[name]) for name in ("lung_iou", "loss")]
    return rows


def _list_arms(scores: dict) -> list[dict]:
    """List the scores and the counts of each classifier."""
    rows = []
    for arm, metrics in scores["arms"].items():
        if "start" in metrics:
            arm = f"{arm} ({metrics['start']} start)"
        intervals = {name: m for name, m in metrics.items() if isinstance(m, dict)}
        rows += [_make_row(arm, *score) for score in intervals.items()]
        (tn, fp), (fn, tp) = metrics["confusion"]
        for name, count in zip(COUNTS, (tn, fp, fn, tp), strict=True):
            rows.append({"arm": arm, "metric": name, "value": count})
    return rows


READERS = {"segmentation": _list_steps, "diagnosis": _list_arms}


def _make_row(arm: str, metric: str, score: dict) -> dict:
    """Return one row of the table; a score without its three parts is an error."""
    parts = {part: score[part] for part in ("value", "low", "high")}
    return {"arm": arm, "metric": metric, **parts}


def list_metrics(part: pd.DataFrame) -> list[str]:
    """List the metrics of one task that have an interval, in their order."""
    return [name for name in part["metric"].unique() if name not in COUNTS]


def make_grid(part: pd.DataFrame) -> list[list[str]]:
    """Write the scores of one task as text: headings, then one row an arm."""
    metrics = list_metrics(part)
    grid = [["arm", *(NAMES.get(name, name.capitalize()) for name in metrics)]]
    has_counts = part["metric"].isin(COUNTS).any()
    if has_counts:
        grid[0].append("/".join(COUNTS))
    for arm, scores in part.groupby("arm", sort=False):
        scores = scores.set_index("metric")[["value", "low", "high"]]
        wanted = scores.reindex(metrics).to_dict("records")
        grid.append([arm, *map(format_score, wanted)])
        if has_counts:
            grid[-1].append("/".join(f"{scores.at[n, 'value']:.0f}" for n in COUNTS))
    return grid


def format_score(score: Mapping, sign: str = "") -> str:
    """`0.847 (0.840 to 0.853)`, without what is not defined (None or NaN).

    With the sign `"+"`, `+0.847 (+0.840 to +0.853)`.
    """
    value, low, high = (score[part] for part in ("value", "low", "high"))
    if pd.isna(value):
        return "-"
    text = f"{value:{sign}.3f}"
    return text + ("" if pd.isna(low) else f" ({low:{sign}.3f} to {high:{sign}.3f})")


def format_p(p: float) -> str:
    """`0.031`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
