"""An exhibit as HTML: pictures inside it, every word in the visitor's language."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rds_pages import language, templates
from rds_pages.exhibition import exhibit
from rds_phantoms import disease, phantom
from rds_tf import config
from rds_tf.plotting import overlay

WORDS = language.load_words(Path(__file__).parent)
DECISIONS = {"RDS": "positive", "no RDS": "negative"}  # any other is undecided
GRADES = ("0", "I", "II", "III", "IV")  # of Bomsel
STEP_PX = 240
OUTLINE_PX = 2
FOUND, MISSED, TOO_MUCH = (0, 229, 255), (255, 159, 28), (232, 63, 190)


def draw(shown: exhibit.Exhibit | str, code: str) -> str:
    """Write an exhibit, or why there is none.

    Args:
        shown: the exhibit, or the sentence that says why there is none, empty for a
            fault of ours.
        code: of the language, `"en"` or `"ko"`.
    """
    say = language.speak(WORDS, code)
    if isinstance(shown, str):
        reason = translate(shown, code) or say("failed")
        return _render("refusal", code, reason=reason)
    found = shown.found
    step_pictures = {name: _embed(_draw_step(shown, name)) for name in shown.steps}
    pair = dict(zip(("without", "with"), shown.without_and_with, strict=True))
    return _render(
        "stage",
        code,
        shown=shown,
        found=found,
        decide=lambda diagnosis: _name_decision(diagnosis.decision, say),
        kind=DECISIONS.get(found.decision, "undecided"),
        film=_embed(
            overlay.draw_layers(found.image, found.mask, outline_px=OUTLINE_PX)
        ),
        heatmap=_embed(overlay.draw_layers(found.image, heatmap=found.heatmap)),
        is_hot=bool(found.heatmap.any()),
        truth=_describe_truth(shown, say),
        step_pictures=step_pictures,
        warnings=[w for w in found.warnings if w not in found.abstention_reasons],
        change=_find_change(*shown.without_and_with),
        pair=pair,
        pair_pictures={
            name: _embed(overlay.draw_layers(one.image)) for name, one in pair.items()
        },
        trained_on="; ".join(translate(data, code) for data in shown.trained_on),
        translate=lambda sentence: translate(sentence, code),
    )


def draw_head(code: str) -> str:
    """Write title and notice, which stand above everything."""
    return _render("header", code)


def draw_section(title: str, note: str, code: str) -> str:
    """Write a heading with a line beneath, both by their keys, the title may be ""."""
    return _render("section", code, title=title, note=note)


def translate(sentence: str, code: str) -> str:
    """Say a warning or a refusal in the visitor's language."""
    return language.translate(WORDS, sentence, code, "said.")


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


def _draw_step(shown: exhibit.Exhibit, name: str) -> np.ndarray:
    arrays = shown.found.image, shown.steps[name].mask, shown.truth
    return compare_masks(
        *(None if one is None else exhibit.shrink(one, STEP_PX) for one in arrays)
    )


def _describe_truth(shown: exhibit.Exhibit, say: Callable[..., str]) -> tuple | None:
    """Say what a phantom was drawn as, and whether the models saw it."""
    if shown.severity is None:
        return None
    limit = phantom.RDS_SEVERITY
    label = "RDS" if shown.severity >= limit else "no RDS"
    text = say(
        "truth",
        severity=f"{shown.severity:.2f}",
        grade=GRADES[disease.grade_of(shown.severity)],
        label=_name_decision(label, say),
        limit=f"{limit:.2f}",
    )
    if shown.found.decision not in DECISIONS:
        return text, None
    return text, "right" if shown.found.decision == label else "wrong"


def _find_change(without, with_tube) -> float | None:
    """Return what the tube adds to the probability; None unless both were decided."""
    both = with_tube.probability, without.probability
    return None if None in both else both[0] - both[1]


def _name_decision(decision: str, say: Callable[..., str]) -> str:
    return say(DECISIONS.get(decision, "undecided"), finding=config.FINDING)


def _embed(rgb: np.ndarray) -> str:
    return templates.embed(templates.encode(rgb, "jpeg"))


def _render(name: str, code: str, **values) -> str:
    say = language.speak(WORDS, code)
    name = f"exhibition/{name}.html.j2"
    return templates.render(name, say=say, code=code, **values)
