"""One results table for a run: CSV for machines, HTML and text for people."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

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
NOTE = "Mean or share, with its 95 % bootstrap interval over patients."
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 3rem auto;
       max-width: 75rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
        display: block; overflow-x: auto; }
th, td { padding: .35rem .5rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; padding-left: 0;
                                 min-width: 10em; }
td span { color: #666; white-space: nowrap; }
.notice { border-left: 4px solid #d55e00; padding: .3rem .8rem; }
"""


def write_results_table(folder: str | Path) -> pd.DataFrame:
    """Write `results.csv` and `results.html` from the scores in a run's folder.

    Args:
        folder: holds `segmentation.json`, `diagnosis.json` or both, as
            `python -m rds_tf evaluate` writes them. An entry `"data"` in a file names
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
    disk.write_whole(folder / "results.html", format_html(table).encode())
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


def format_table(table: pd.DataFrame) -> str:
    """Lay the table of `write_results_table` out as text for the terminal."""
    blocks = []
    for task, part in table.groupby("task", sort=False):
        grid = make_grid(part)
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        lines = [f"{TITLES[task]} ({_describe(part)})"]
        for row in grid:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, f"{NOTE} {config.NOT_FOR_CLINICAL_USE}"])


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


def format_html(table: pd.DataFrame) -> str:
    """Lay the table of `write_results_table` out as one page that needs no other."""
    blocks = []
    for task, part in table.groupby("task", sort=False):
        headings, *rows = make_grid(part)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in headings)
        body = "\n".join(f"<tr>{''.join(map(format_cell, row))}</tr>" for row in rows)
        blocks.append(
            f"<h2>{TITLES[task]}</h2>\n<p>{html.escape(_describe(part))}</p>\n"
            f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        )
    page = "\n".join(blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        f"<title>rds_tf: results</title>\n<style>{STYLE}</style></head>\n<body>\n"
        f"<h1>rds_tf: results</h1>\n"
        f'<p class="notice"><strong>{config.NOT_FOR_CLINICAL_USE}</strong></p>\n'
        f"{page}\n<p>{NOTE}</p>\n</body>\n</html>\n"
    )


def align(rows: list[list[str]]) -> str:
    """Align rows of cells in columns, the first to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
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


def _describe(part: pd.DataFrame) -> str:
    """`data: phantom_quick, 120 cases`."""
    first = part.iloc[0]
    return f"data: {first['data']}, {first['num_cases']} cases"


def make_grid(part: pd.DataFrame) -> list[list[str]]:
    """Write the scores of one task as text: headings, then one row an arm."""
    metrics = [name for name in part["metric"].unique() if name not in COUNTS]
    grid = [["", *(NAMES.get(name, name.capitalize()) for name in metrics)]]
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


def format_cell(text: str) -> str:
    """Return one HTML cell, the interval in it set in grey."""
    shaded = re.sub(r"(\(.* to .*\))$", r"<span>\1</span>", html.escape(text))
    return f"<td>{shaded}</td>"
