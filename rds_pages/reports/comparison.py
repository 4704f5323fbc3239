"""One page for a comparison of arms: table, pairs, matched cases, ensemble, figures."""

import numpy as np

from rds_pages.reports import document, score_tables
from rds_tf import config, training
from rds_tf.classification import compare, cross_validation
from rds_tf.plotting import plots
from rds_tf.storage import disk

PAIRS = (
    "Arms in pairs",
    "Differences between arms, paired by case: AUROC of the first minus the second "
    "with its bootstrap interval over patients; p of DeLong's test after Holm; cases "
    "that only one of the two got right, and p of McNemar's test. Both tests take "
    "cases as independent: where patients have several films, trust the interval.",
)
MATCHED = (
    "Matched in the film's shape",
    "Cases with and without the label, matched one to one in the film's "
    "height-to-width ratio: what an arm still knows there, and its gain in AUROC over "
    "the ratio itself.",
)
CALIBRATION = (
    "One calibrated probability",
    "Out-of-fold logits, less an intercept and divided by a temperature that the other "
    "folds gave: expected calibration error (15 bins of equal mass) and Brier score "
    "before and after.",
)
OPERATING_POINT = (
    "Operating point and abstention",
    "Sensitivity and specificity at the threshold that reaches 95 % sensitivity in the "
    "training folds; proportion of cases on which the ensemble abstains, because its "
    "members disagree or no lungs were found, and accuracy on the rest.",
)


def write(jobs: list[training.Job], regions=None, finding: str = config.FINDING) -> str:
    """Compare the arms of `jobs`, write `comparison.json` and `.html`, return text.

    `ensemble.json` beside them tells `diagnose` how to join the models of the folder,
    and what they find.

    Args:
        jobs: finished ones, of one comparison.
        regions: folder of drawn tubes; a baseline then knows who has one.
        finding: what label 1 stands for.
    """
    out = jobs[0].out
    result = compare.compare(jobs, regions, finding)
    disk.write_json(out / "comparison.json", result)
    disk.write_json(out / "ensemble.json", result["ensemble"])
    scores = score_tables.make_table("diagnosis", result, jobs[0].prepared.name)
    blocks = [
        document.Heading("rds_tf: comparison", 1),
        *score_tables.list_blocks(scores),
        *list_blocks(result),
    ]
    figures = [document.Heading("Figures"), *draw_figures(jobs, result)]
    page = document.to_html(blocks + figures)
    disk.write_whole(out / "comparison.html", page.encode())
    return f"{document.to_text(blocks[1:])}\n\nAll in {out / 'comparison.html'}"


def list_blocks(result: dict) -> list[document.Block]:
    """List pairs, matched cases, calibration and operating points as tables."""
    parts = [(PAIRS, _tabulate_pairs(result["pairs"]))]
    if result["matched"]:
        parts.append((MATCHED, _tabulate_matched(result["matched"])))
    parts.append((CALIBRATION, _tabulate_calibration(result["ensembles"])))
    parts.append((OPERATING_POINT, _tabulate_points(result["ensembles"])))
    return [
        block
        for (title, what), table in parts
        for block in (document.Heading(title), document.Paragraph(what), table)
    ]


def _tabulate_pairs(pairs: list[dict]) -> document.Table:
    head = ["first", "second", "difference in AUROC", "p, DeLong"]
    head += ["right only first / second", "p, McNemar"]
    rows = []
    for pair in pairs:
        test = pair["mcnemar"]
        difference = score_tables.format_score(pair["auroc"], "+")
        rows.append([pair["first"], pair["second"], difference])
        rows[-1].append(score_tables.format_p(pair["p_holm"]))
        rows[-1].append(f"{test['first_only']} / {test['second_only']}")
        rows[-1].append(score_tables.format_p(test["p"]))
    return document.Table(head, rows)


def _tabulate_matched(matched: dict) -> document.Table:
    rows = [
        [
            name,
            score_tables.format_score(found["auroc"]),
            score_tables.format_score(found["gain"], "+"),
        ]
        for name, found in matched["arms"].items()
    ]
    head = [f"{matched['num_cases']} matched cases", "AUROC", "gain over the ratio"]
    return document.Table(head, rows)


def _tabulate_calibration(ensembles: dict) -> document.Table:
    rows = []
    for name, found in ensembles.items():
        scores = [
            score_tables.format_score(found[state][score])
            for score in ("ece", "brier")
            for state in ("raw", "calibrated")
        ]
        fitted = f"{found['temperature']:.2f}", f"{found['intercept']:+.2f}"
        rows.append([name, *fitted, *scores])
    head = ["out of fold", "temperature", "intercept"]
    return document.Table([*head, "ECE raw", "ECE", "Brier raw", "Brier"], rows)


def _tabulate_points(ensembles: dict) -> document.Table:
    rows = []
    for name, found in ensembles.items():
        point, abstention = found["scores"]["sensitivity"], found["abstention"]
        answered = abstention["answered"]
        rows.append([name, score_tables.format_score(point["recall"])])
        rows[-1].append(score_tables.format_score(point["specificity"]))
        rows[-1].append(score_tables.format_score(abstention["abstained"]))
        rows[-1].append(score_tables.format_score(answered) if answered else "-")
    head = ["out of fold", "sensitivity", "specificity", "abstained"]
    return document.Table([*head, "accuracy on the rest"], rows)


def draw_figures(jobs: list[training.Job], result: dict) -> list[document.Figure]:
    """Draw ROC, reliability, risk over coverage, and a confusion matrix an arm."""
    labels = cross_validation.load_predictions(jobs)["rds"].to_numpy()
    found = {
        name: np.array(one["probabilities"])
        for name, one in result["ensembles"].items()
    }
    curves = {name: (labels, probabilities) for name, probabilities in found.items()}
    right = {
        name: ((values >= 0.5) == (labels == 1), np.abs(values - 0.5))
        for name, values in found.items()
    }
    first_two = dict(list(curves.items())[:2])
    figures = {
        "ROC curves of the calibrated probabilities": plots.plot_roc(curves),
        "Reliability of the calibrated probabilities": plots.plot_reliability(
            first_two
        ),
        "Risk over coverage": plots.plot_risk_coverage(right),
    }
    finding = result["ensemble"]["finding"]
    for name, scores in result["arms"].items():
        figures[f"Confusion matrix, {name}"] = plots.plot_confusion(
            scores["confusion"], (f"no {finding}", finding)
        )
    return [document.draw(figure, name) for name, figure in figures.items()]
