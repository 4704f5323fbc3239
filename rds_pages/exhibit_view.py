"""An exhibit as HTML: pictures inside it, every word in the visitor's language."""

import base64
import html

import cv2
import numpy as np

from rds_pages import exhibit, exhibit_words
from rds_phantoms import phantom
from rds_tf.plotting import overlay

RUNG_PX = 240
OUTLINE_PX = 2
FOUND, MISSED, TOO_MUCH = (0, 229, 255), (255, 159, 28), (232, 63, 190)


def draw_page(shown: exhibit.Exhibit, language: str) -> str:
    """Write everything that is said and shown of an exhibit."""
    words = exhibit_words.WORDS[language]
    return (
        f'<div class="stage" lang="{language}"><div class="top">'
        + _draw_film(shown, words)
        + _draw_map(shown, words, language)
        + _draw_answer(shown, words, language)
        + '</div><div class="below">'
        + _draw_ladder(shown, words)
        + _draw_tube(shown, words)
        + "</div></div>"
    )


def draw_refusal(sentence: str, language: str) -> str:
    """Write why a film is not shown; an empty sentence stands for a fault of ours."""
    words = exhibit_words.WORDS[language]
    said = exhibit_words.translate(sentence, language) or words["failed"]
    return (
        f'<div class="stage refusal" lang="{language}" role="alert">'
        f"<h2>{words['refused']}</h2><p>{html.escape(said)}</p>"
        f"<p class='note'>{words['refused_note']}</p></div>"
    )


def draw_head(language: str) -> str:
    """Write title and notice, which stand above everything."""
    words = exhibit_words.WORDS[language]
    return (
        f'<div class="head" lang="{language}"><div><h1>{words["title"]}</h1>'
        f"<p>{words['subtitle']}</p></div>"
        f'<p class="notice" role="note">{words["notice"]}</p></div>'
    )


def draw_section(title: str, note: str) -> str:
    """Write a heading with a line beneath."""
    return f'<div class="section"><h2>{title}</h2><p class="note">{note}</p></div>'


def embed(rgb: np.ndarray, alt: str, name: str) -> str:
    """Write a picture `(h, w, 3)` uint8 into the page, with what it shows in words."""
    _, content = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    code = base64.b64encode(content.tobytes()).decode()
    return (
        f'<img class="{name}" alt="{html.escape(alt)}" '
        f'src="data:image/jpeg;base64,{code}">'
    )


def compare_masks(image, mask, truth=None) -> np.ndarray:
    """Paint a mask on a dim film, right and wrong parts apart where truth is known.

    Args:
        image: `(h, w)` in `[0, 1]`.
        mask: `(h, w)` of {0, 1}.
        truth: the same, or None.

    Returns:
        uint8 RGB `(h, w, 3)`: `FOUND`, `MISSED` and `TOO_MUCH`.
    """
    rgb = np.repeat(255 * 0.6 * np.clip(image, 0, 1)[..., None], 3, axis=2)
    mask = mask > 0
    true = mask if truth is None else truth > 0
    for where, colour in (
        (mask & true, FOUND),
        (true & ~mask, MISSED),
        (mask & ~true, TOO_MUCH),
    ):
        rgb[where] = 0.35 * rgb[where] + 0.65 * np.array(colour)
    return np.rint(rgb).astype("uint8")


def _draw_film(shown: exhibit.Exhibit, words: dict) -> str:
    found = shown.found
    alt = words["film_alt"].format(share=f"{found.mask.mean():.0%}")
    picture = overlay.draw_layers(found.image, found.mask, outline_px=OUTLINE_PX)
    picture = embed(picture, alt, "film")
    return _frame(words["film"], picture, words["film_note"])


def _draw_map(shown: exhibit.Exhibit, words: dict, language: str) -> str:
    found = shown.found
    hot = bool(found.heatmap.any())
    alt = words["map_alt" if hot else "map_alt_none"]
    picture = overlay.draw_layers(found.image, heatmap=found.heatmap)
    note = words["map_note" if hot else "map_none"].format(count=shown.num_models)
    if hot and shown.crops:
        note = f"{note} {words['map_crop']}"
    data = [exhibit_words.translate(one, language) for one in shown.trained_on]
    note += " " + words["trained"].format(data=html.escape("; ".join(data)))
    return _frame(words["map"], embed(picture, alt, "map"), note)


def _frame(title: str, picture: str, note: str) -> str:
    return (
        f'<figure><h2>{title}</h2><div class="box">{picture}</div>'
        f'<figcaption class="note">{note}</figcaption></figure>'
    )


def _draw_answer(shown: exhibit.Exhibit, words: dict, language: str) -> str:
    found = shown.found
    kind = {"RDS": "yes", "no RDS": "no"}.get(found.decision, "open")
    limit = words["threshold"].format(threshold=f"{shown.threshold:.2f}")
    parts = [
        f'<div class="answer {kind}"><h2>{words["answer"]}</h2>',
        f'<p class="decision">{words[found.decision]}</p>',
        f'<p class="number">{words["probability"]} '
        f"<strong>{found.probability:.2f}</strong></p>",
        f'<div class="gauge"><i style="width:{found.probability:.1%}"></i>'
        f'<b style="left:{shown.threshold:.1%}"></b></div>',
        f'<p class="note">{limit}</p>',
        _judge(shown, words),
        f"<h3>{words['warnings']}</h3>",
    ]
    said = [exhibit_words.translate(one, language) for one in found.warnings]
    if said:
        items = "".join(f"<li>{html.escape(one)}</li>" for one in said)
        parts.append(f'<ul class="warnings">{items}</ul>')
    else:
        parts.append(f'<p class="note">{words["no_warnings"]}</p>')
    return "".join([*parts, "</div>"])


def _judge(shown: exhibit.Exhibit, words: dict) -> str:
    """Say what the phantom was drawn as, and whether the models saw it."""
    if shown.severity is None:
        return ""
    label = "RDS" if shown.severity >= phantom.RDS_SEVERITY else "no RDS"
    text = words["truth"].format(
        severity=f"{shown.severity:.2f}",
        label=words[label],
        limit=f"{phantom.RDS_SEVERITY:.2f}",
    )
    if shown.found.decision == "not decided":
        return f'<p class="truth">{text}</p>'
    verdict = "right" if shown.found.decision == label else "wrong"
    return f'<p class="truth">{text} <em class="{verdict}">{words[verdict]}</em></p>'


def _draw_ladder(shown: exhibit.Exhibit, words: dict) -> str:
    def small(array):
        return None if array is None else exhibit.shrink(array, RUNG_PX)

    rungs = []
    for step, rung in shown.rungs.items():
        masks = small(shown.found.image), small(rung.mask), small(shown.truth)
        dice = "" if rung.dice is None else f"Dice {rung.dice:.3f}"
        alt = words["rung_alt"].format(step=words[step], dice=dice and f", {dice}")
        rungs.append(
            f'<figure><div class="box">{embed(compare_masks(*masks), alt, "rung")}'
            f"</div><figcaption>{words[step]}<strong>{dice}</strong></figcaption>"
            "</figure>"
        )
    note = words["ladder_note" if shown.truth is not None else "ladder_note_film"]
    return (
        f'<section class="ladder"><h2>{words["ladder"]}</h2>'
        f'<div class="rungs">{"".join(rungs)}</div><p class="note">{note}</p></section>'
    )


def _draw_tube(shown: exhibit.Exhibit, words: dict) -> str:
    pair = dict(zip(("without", "with"), shown.without_and_with, strict=True))
    figures = []
    for name, found in pair.items():
        probability = f"{found.probability:.2f}"
        alt = words["tube_alt"].format(which=words[name], probability=probability)
        picture = embed(overlay.draw_layers(found.image), alt, "tube")
        figures.append(
            f'<figure><div class="box">{picture}</div><figcaption>{words[name]}'
            f"<strong>{probability} {words[found.decision]}</strong></figcaption>"
            "</figure>"
        )
    change = pair["with"].probability - pair["without"].probability
    note = words["tube_note" if shown.truth is not None else "tube_note_film"]
    return (
        f'<section class="tubes"><h2>{words["tube_title"]}</h2>'
        f'<div class="pair">{"".join(figures)}<p class="change">'
        f"<strong>{change:+.2f}</strong>{words['change']}</p></div>"
        f'<p class="note">{note}</p></section>'
    )
