"""The exhibition page laid out in Gradio: dials and uploads left, the exhibit right."""

import logging
from collections.abc import Callable
from pathlib import Path

from rds_pages import exhibit, exhibit_view, exhibit_words, uploads
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph

LOGGER = logging.getLogger(__name__)
START = exhibit.Dials()
SECONDS_KEPT = 900  # what a visitor saw, for a change of language


def attempt(make: Callable[[], exhibit.Exhibit]) -> exhibit.Exhibit | str:
    """Make an exhibit, or return the sentence that says why there is none.

    The sentence is empty for a fault that no visitor can mend; the log holds it.
    """
    try:
        return make()
    except radiograph.RadiographError as error:
        return str(error)
    except Exception:
        LOGGER.exception("An exhibit failed.")
        return ""


def draw(shown: exhibit.Exhibit | str, language: str) -> str:
    """Write an exhibit, or why there is none."""
    if isinstance(shown, str):
        return exhibit_view.draw_refusal(shown, language)
    return exhibit_view.draw_page(shown, language)


def build_page(gradio, models: diagnose.Models, folder: Path):
    """Lay the page out and connect it.

    Args:
        gradio: the module.
        models: from `diagnose.load_models`.
        folder: where Gradio keeps uploads.

    Returns:
        `gradio.Blocks`, ready for `launch`.
    """
    first = exhibit.show_phantom(START, models)  # also compiles the networks
    words = exhibit_words.WORDS["en"]
    with gradio.Blocks(
        title=words["title"],
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(60, 120),
    ) as page:
        shown = gradio.State(first, time_to_live=SECONDS_KEPT)
        with gradio.Row(elem_id="header"):
            head = gradio.HTML(exhibit_view.draw_head("en"), elem_id="title")
            language = gradio.Radio(
                list(exhibit_words.LANGUAGES),
                value="English",
                label=words["language"],
                elem_id="language",
                show_label=False,
                scale=0,
                min_width=216,
            )
        with gradio.Row(elem_id="main"):
            with gradio.Column(elem_id="choose", scale=0, min_width=250):
                dials, labels = _lay_dials(gradio, words)
                film = gradio.File(label=words["upload"], elem_id="upload", height=120)
                note = gradio.HTML(f'<p class="note">{words["upload_why"]}</p>')
            stage = gradio.HTML(draw(first, "en"), elem_id="stage")
        _connect(gradio, page, models, folder, (shown, stage, language, dials, film))
        _connect_language(
            gradio, page, language, shown, [head, stage, *labels, film, note]
        )
    return page


def _lay_dials(gradio, words: dict):
    """Return the dials of a phantom, and what of them is words."""
    title = gradio.HTML(exhibit_view.draw_section(words["choose"], words["choose_why"]))
    plain = {"interactive": True, "buttons": []}
    severity = gradio.Slider(
        0, 1, START.severity, step=0.05, label=words["severity"], **plain
    )
    angle = gradio.Slider(
        -180, 180, START.angle_degrees, step=5, label=words["angle"], **plain
    )
    seed = gradio.Slider(0, 999, START.seed, step=1, label=words["seed"], **plain)
    tube = gradio.Checkbox(START.tube, label=words["tube"], elem_id="tube")
    dials = [severity, angle, tube, seed]
    return dials, [title, *dials]


def _connect(gradio, page, models, folder: Path, parts) -> None:
    """Let dials and uploads change the stage, one visitor at a time."""
    shown, stage, language, dials, film = parts
    shared = {
        "concurrency_limit": 1,
        "concurrency_id": "models",
        "api_visibility": "private",
        "trigger_mode": "always_last",
    }

    def move(severity, angle, tube, seed, language):
        chosen = exhibit.Dials(severity, angle, bool(tube), int(seed))
        found = attempt(lambda: exhibit.show_phantom(chosen, models))
        return draw(found, exhibit_words.choose_language(language)), found, None

    def take(path, language):
        if path is None:
            return gradio.skip(), gradio.skip(), gradio.skip()
        found = attempt(
            lambda: exhibit.show_film(uploads.read_upload(path, folder), models)
        )
        uploads.sweep(folder)
        return draw(found, exhibit_words.choose_language(language)), found, None

    gradio.on(
        [dial.input for dial in dials],
        move,
        [*dials, language],
        [stage, shown, film],
        show_progress="hidden",
        **shared,
    )
    film.upload(
        take, [film, language], [stage, shown, film], show_progress="minimal", **shared
    )


def _connect_language(gradio, page, language, shown, parts) -> None:
    """Let the switch, and `?lang=` in the address, change every word."""

    def speak(name, shown):
        code = exhibit_words.choose_language(name)
        words = exhibit_words.WORDS[code]
        names = ("severity", "angle", "tube", "seed", "upload")
        return [
            exhibit_view.draw_head(code),
            draw(shown, code),
            exhibit_view.draw_section(words["choose"], words["choose_why"]),
            *(gradio.update(label=words[name]) for name in names),
            f'<p class="note">{words["upload_why"]}</p>',
        ]

    def greet(request: gradio.Request):
        code = exhibit_words.choose_language(request.query_params.get("lang"))
        names = {code: name for name, code in exhibit_words.LANGUAGES.items()}
        return names[code]

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    language.change(speak, [language, shown], parts, **quiet)
    page.load(greet, None, language, **quiet)
