"""One page for an audit: a verdict in plain words, its numbers, films to look at."""

import base64
import html

import cv2
import numpy as np

from rds_pages.reports import score_tables
from rds_tf import config
from rds_tf.audit import audit, nuisances
from rds_tf.data import preprocessing

NUM_FILMS = 4
FILM_PX = 220
EXPLAINED = {
    "effect": "mean change of the logit by the {name} alone, in standard deviations",
    "logits": "the same in logits",
    "flips": "share of cases whose decision it turns",
}
AUROCS = {
    "alone": "of the {name} alone",
    "auroc": "of the model, films as taken",
    "auroc_present": "of the model, every film varied towards it",
    "auroc_absent": "of the model, every film varied away from it",
    "gap": "where it is high minus where it is low",
}


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
    for key, share in result.get("heat", {}).items():
        rows.append((f"share of the heat: {key}", f"{share:.0%}"))
    return rows


def format_text(arms: dict[str, dict], name: str) -> str:
    """Write the verdict and the numbers of every arm as text."""
    blocks = []
    for arm, result in arms.items():
        verdict = audit.state_verdict(result, name)
        rows = list_rows(result, name)
        width = max(len(words) for words, _ in rows)
        lines = [f"  {words.ljust(width)}  {number}" for words, number in rows]
        blocks.append("\n".join([f"{arm}: {verdict}", *lines]))
    return "\n\n".join([*blocks, config.NOT_FOR_CLINICAL_USE])


def format_page(arms: dict[str, dict], name: str, films: list[dict]) -> str:
    """Write the page.

    Args:
        arms: name of each arm to what `audit.judge` found.
        name: of the nuisance.
        films: pictures to look at, each `"caption"` and `"images"`, float arrays
            `(H, W)` in `[0, 1]` by their titles.
    """
    parts = []
    for arm, result in arms.items():
        rows = "\n".join(
            f"<tr><td>{html.escape(words)}</td><td>{number}</td></tr>"
            for words, number in list_rows(result, name)
        )
        verdict = html.escape(audit.state_verdict(result, name))
        parts.append(
            f"<h2>{html.escape(arm)}</h2>\n<p><strong>{verdict}</strong></p>\n"
            f"<table>\n{rows}\n</table>"
        )
    for film in films:
        pictures = "".join(
            f'<figure style="display: inline-block; margin: 0 .5rem 0 0">'
            f'<img alt="{html.escape(title)}" src="{_embed(image)}">'
            f"<figcaption>{html.escape(title)}</figcaption></figure>"
            for title, image in film["images"].items()
        )
        parts.append(f"<p>{html.escape(film['caption'])}</p>\n<div>{pictures}</div>")
    body = "\n".join(parts)
    title = html.escape(f"Audit: {name}")
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        f"<title>rds_tf: {title}</title>\n<style>{score_tables.STYLE}</style></head>\n"
        f"<body>\n<h1>{title}</h1>\n"
        f'<p class="notice"><strong>{config.NOT_FOR_CLINICAL_USE}</strong></p>\n'
        f"{body}\n</body>\n</html>\n"
    )


def choose_films(
    cases, probes, nuisance: nuisances.Nuisance, seed: int = 0
) -> list[dict]:
    """Choose the films that the nuisance moved most, with and without it."""
    change = (probes["present"] - probes["absent"]).to_numpy()
    films = []
    for index in np.argsort(-np.abs(change), kind="stable")[:NUM_FILMS]:
        present, absent = nuisance.vary(cases[index], seed + int(index))
        caption = (
            f"label {cases[index].label}: logit {probes['absent'].iloc[index]:+.2f} "
            f"without, {probes['present'].iloc[index]:+.2f} with"
        )
        images = {
            "as taken": cases[index].image,
            "with": present[0],
            "without": absent[0],
        }
        films.append({"caption": caption, "images": images})
    return films


def _embed(image: np.ndarray) -> str:
    """Return a small PNG of a film as a data address."""
    square = preprocessing.letterbox(preprocessing.stretch(image), FILM_PX)
    _, content = cv2.imencode(".png", np.round(255 * square).astype("uint8"))
    return "data:image/png;base64," + base64.b64encode(content.tobytes()).decode()
