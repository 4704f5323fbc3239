"""One page for a comparison of arms: table, pairs, matched cases, ensemble, figures."""

import base64
import html
import io

import numpy as np

from rds_pages.reports import score_tables
from rds_tf import config
from rds_tf.classification import compare, cross_validation
from rds_tf.plotting import plots
from rds_tf.storage import disk

HEADINGS = {
    "pairs": "Arms in pairs",
    "matched": "Matched in the film's shape",
    "ensembles": "One calibrated probability",
    "points": "Operating point and cases left open",
}
WHAT = {
    "pairs": "Differences between arms, paired by case: AUROC of the first minus the "
    "second with its bootstrap interval over patients; p of DeLong's test after Holm; "
    "cases that only the one or only the other got right, and p of McNemar's test. "
    "Both tests take cases for independent: where patients have several films, "
    "trust the interval.",
    "matched": "Cases with and without the label, matched one to one in the film's "
    "height-to-width ratio: what an arm still knows there, and its gain in AUROC over "
    "the ratio itself.",
    "ensembles": "Out-of-fold logits, less an offset and divided by a temperature that "
    "the other folds gave: "
    "expected calibration error (15 bins of equal mass) and Brier score before and "
    "after.",
    "points": "Sensitivity and specificity at the threshold that reaches 95 % "
    "sensitivity in the training folds; share of cases left open, because members "
    "disagree or no lungs were found, and accuracy on the rest.",
}


def write(
    jobs: list[cross_validation.Job], regions=None, finding: str = config.FINDING
) -> str:
    """Compare the arms of `jobs`, write `comparison.json` and `.html`, return text.

    `regions` is a folder of drawn tubes: a baseline then knows who has one. `finding`
    is what label 1 stands for. `ensemble.json` beside them tells `diagnose` how to join
    the models of the folder, and what they find.
    """
    out = jobs[0].out
    result = compare.compare(jobs, regions, finding)
    disk.write_json(out / "comparison.json", result)
    disk.write_json(out / "ensemble.json", result["ensemble"])
    tables = list_tables(result)
    scores = score_tables.make_table("diagnosis", result, jobs[0].prepared.name)
    page = format_page(
        score_tables.format_html(scores), tables, draw_figures(jobs, result)
    )
    disk.write_whole(out / "comparison.html", page.encode())
    blocks = [score_tables.format_table(scores)]
    for name, rows in tables.items():
        blocks.append(f"{HEADINGS[name]}. {WHAT[name]}\n\n" + score_tables.align(rows))
    return "\n\n".join(blocks) + f"\n\nAll in {out / 'comparison.html'}"


def list_tables(result: dict) -> dict[str, list[list[str]]]:
    """Lay pairs, matched cases and ensembles out as rows of text, headings first."""
    headings = ["first", "second", "difference in AUROC", "p, DeLong"]
    headings += ["right only first / second", "p, McNemar"]
    tables = {"pairs": [headings]}
    for pair in result["pairs"]:
        test = pair["mcnemar"]
        tables["pairs"].append(
            [
                pair["first"],
                pair["second"],
                score_tables.format_score(pair["auroc"], "+"),
                _p(pair["p_holm"]),
                f"{test['first_only']} / {test['second_only']}",
                _p(test["p"]),
            ]
        )
    matched = result["matched"]
    if matched:
        heading = f"{matched['num_cases']} matched cases"
        tables["matched"] = [[heading, "AUROC", "gain over the ratio"]]
        for name, found in matched["arms"].items():
            cells = (
                score_tables.format_score(found["auroc"]),
                score_tables.format_score(found["gain"], "+"),
            )
            tables["matched"].append([name, *cells])
    headings = ["temperature", "offset", "ECE raw", "ECE", "Brier raw", "Brier"]
    tables["ensembles"] = [["out of fold", *headings]]
    headings = ["sensitivity", "specificity", "left open", "accuracy on the rest"]
    tables["points"] = [["out of fold", *headings]]
    for name, found in result["ensembles"].items():
        raw, calibrated = found["raw"], found["calibrated"]
        point = found["scores"]["sensitivity"]
        answered = found["abstention"]["answered"]
        tables["ensembles"].append(
            [
                name,
                f"{found['temperature']:.2f}",
                f"{found['offset']:+.2f}",
                *(score_tables.format_score(each["ece"]) for each in (raw, calibrated)),
                *(
                    score_tables.format_score(each["brier"])
                    for each in (raw, calibrated)
                ),
            ]
        )
        tables["points"].append(
            [
                name,
                score_tables.format_score(point["recall"]),
                score_tables.format_score(point["specificity"]),
                score_tables.format_score(found["abstention"]["left_open"]),
                score_tables.format_score(answered) if answered else "-",
            ]
        )
    return tables


def draw_figures(jobs: list[cross_validation.Job], result: dict) -> dict:
    """Draw reliability, risk over coverage, ROC and confusion, by their alt texts."""
    cases = cross_validation.load_predictions(jobs)
    labels = cases["rds"].to_numpy()
    found = {
        name: np.array(one["probabilities"])
        for name, one in result["ensembles"].items()
    }
    curves = {name: (labels, probabilities) for name, probabilities in found.items()}
    right = {
        name: ((values >= 0.5) == (labels == 1), np.abs(values - 0.5))
        for name, values in found.items()
    }
    figures = {
        "ROC curves of the calibrated probabilities": plots.plot_roc(curves),
        "Reliability of the calibrated probabilities": plots.plot_reliability(
            dict(list(curves.items())[:2])
        ),
        "Risk over coverage": plots.plot_risk_coverage(right),
    }
    finding = result["ensemble"]["finding"]
    for name, scores in result["arms"].items():
        figures[f"Confusion matrix, {name}"] = plots.plot_confusion(
            scores["confusion"], (f"no {finding}", finding)
        )
    return figures


def format_page(page: str, tables: dict, figures: dict) -> str:
    """Add tables and figures to the page of `score_tables.format_html`."""
    parts = []
    for name, (head, *rows) in tables.items():
        cells = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
        cells += ["".join(map(score_tables.format_cell, row)) for row in rows]
        body = "\n".join(f"<tr>{row}</tr>" for row in cells)
        parts.append(
            f"<h2>{HEADINGS[name]}</h2>\n<p>{html.escape(WHAT[name])}</p>\n"
            f"<table>\n{body}\n</table>"
        )
    parts.append("<h2>Figures</h2>")
    for name, figure in figures.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100)
        content = base64.b64encode(drawn.getvalue()).decode()
        alt = html.escape(name)
        parts.append(
            f'<figure style="display: inline-block"><img alt="{alt}" '
            f'src="data:image/png;base64,{content}"><figcaption>{alt}</figcaption>'
            "</figure>"
        )
    return page.replace("</body>", "\n".join(parts) + "\n</body>")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
