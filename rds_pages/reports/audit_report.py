"""One page for an audit: a verdict in plain words, its numbers, films to look at."""

from pathlib import Path

import numpy as np

from rds_pages import templates
from rds_pages.reports import document, score_tables
from rds_tf import config
from rds_tf.audit import audit, nuisances
from rds_tf.data import preprocessing
from rds_tf.storage import disk

NUM_SHOWN = 4
SHOWN_PX = 220
EXPLAINED = {
    "effect": "mean change of the logit by the {name} alone, in standard deviations",
    "logits": "the same in logits",
    "flips": "proportion of cases whose decision it turns",
}
AUROCS = {
    "alone": "of the {name} alone",
    "auroc": "of the model, films as taken",
    "auroc_present": "of the model, every film varied towards it",
    "auroc_absent": "of the model, every film varied away from it",
    "gap": "where it is high minus where it is low",
}


def list_blocks(arms: dict[str, dict], name: str) -> list[document.Block]:
    """List verdict and numbers of every arm.

    Args:
        arms: name of each arm to what `audit.judge` found.
        name: of the nuisance.
    """
    blocks = []
    for arm, result in arms.items():
        verdict = audit.state_verdict(result, name)
        table = document.Table(["measured", "value"], list_rows(result, name))
        blocks += [document.Heading(arm), document.Paragraph(verdict, True), table]
    return blocks


def list_rows(result: dict, name: str) -> list[tuple[str, str]]:
    """List what `audit.judge` measured as pairs of words and number."""
    rows = []
    for key, words in EXPLAINED.items():
        number = score_tables.format_score(result[key], "" if key == "flips" else "+")
        rows.append((words.format(name=name), number))
    for key, words in AUROCS.items():
        value = result[key]
        number = "-" if value is None else f"{value:.3f}"
        rows.append((f"AUROC {words.format(name=name)}", number))
    for place, proportion in result.get("heat", {}).items():
        rows.append((f"proportion of the heat: {place}", f"{proportion:.0%}"))
    return rows


def format_text(arms: dict[str, dict], name: str) -> str:
    """Write the verdict and the numbers of every arm as text."""
    text = document.to_text(list_blocks(arms, name))
    return f"{text}\n\n{config.NOT_FOR_CLINICAL_USE}"


def write(arms: dict, cases: list, nuisance_name: str, out: Path) -> str:
    """Write `audit_<nuisance>.html` and `.json`, and return the audit as text.

    Args:
        arms: name of each arm to what `audit.audit_arms` found.
        cases: of the audit.
        nuisance_name: key of `nuisances.list_nuisances`.
        out: folder to write.
    """
    judged = {arm: result for arm, (result, _, _) in arms.items()}
    nuisance = nuisances.list_nuisances(cases)[nuisance_name]
    _, probes, kept = next(iter(arms.values()))
    pictures = draw_most_moved([cases[index] for index in kept], probes, nuisance)
    page = format_page(judged, nuisance.name, pictures)
    with disk.claim(out):
        disk.write_whole(out / f"audit_{nuisance_name}.html", page.encode())
        disk.write_json(out / f"audit_{nuisance_name}.json", judged)
    return format_text(judged, nuisance.name)


def format_page(arms: dict[str, dict], name: str, pictures: list) -> str:
    """Write the page; arguments as for `list_blocks`, pictures of `draw_most_moved`."""
    title = document.Heading(f"Audit: {name}", 1)
    shown = [document.Heading("Films that it moved most"), *pictures]
    return document.to_html([title, *list_blocks(arms, name), *shown])


def draw_most_moved(
    cases, probes, nuisance: nuisances.Nuisance, seed: int = 0
) -> list[document.Block]:
    """Draw the films that the nuisance moved most, as taken, with and without it.

    Args:
        cases: of the audit.
        probes: of `audit.probe`, a row a case.
        nuisance: that was varied.
        seed: int, as of the probes.
    """
    change = (probes["present"] - probes["absent"]).to_numpy()
    blocks = []
    for index in np.argsort(-np.abs(change), kind="stable")[:NUM_SHOWN]:
        present, absent = nuisance.vary(cases[index], seed + int(index))
        text = (
            f"label {cases[index].label}: logit {probes['absent'].iloc[index]:+.2f} "
            f"without, {probes['present'].iloc[index]:+.2f} with"
        )
        images = {"as taken": cases[index].image}
        images |= {"with": present[0], "without": absent[0]}
        blocks.append(document.Paragraph(text))
        for title, image in images.items():
            square = preprocessing.letterbox(preprocessing.stretch(image), SHOWN_PX)
            alt = f"Film {title}, {text}"
            blocks.append(document.Figure(templates.encode(square), alt, title))
    return blocks
