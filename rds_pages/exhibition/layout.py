"""The exhibition page in Gradio: settings and uploads left, the exhibit right."""

import logging
from collections.abc import Callable
from pathlib import Path

from rds_pages import language
from rds_pages.exhibition import exhibit, stage, uploads
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph

LOGGER = logging.getLogger(__name__)
START = exhibit.Settings()
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
    say = language.speak(stage.WORDS, "en")
    with gradio.Blocks(
        title=say("title"),
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(60, 120),
    ) as page:
        shown = gradio.State(first, time_to_live=SECONDS_KEPT)
        with gradio.Row(elem_id="header"):
            head = gradio.HTML(stage.draw_head("en"), elem_id="title")
            chosen = gradio.Radio(
                list(language.LANGUAGES.values()),
                value="English",
                label=say("language"),
                elem_id="language",
                show_label=False,
                scale=0,
                min_width=216,
            )
        with gradio.Row(elem_id="main"):
            with gradio.Column(elem_id="choose", scale=0, min_width=250):
                title = gradio.HTML(stage.draw_section("choose", "choose_why", "en"))
                sliders = _lay_sliders(gradio, say)
                film = gradio.File(label=say("upload"), elem_id="upload", height=120)
                note = gradio.HTML(stage.draw_section("", "upload_why", "en"))
            drawn = gradio.HTML(stage.draw(first, "en"), elem_id="stage")
        parts = {"shown": shown, "drawn": drawn, "chosen": chosen, "film": film}
        _connect(gradio, models, folder, sliders=sliders, **parts)
        texts = [head, drawn, title, *sliders, film, note]
        _connect_language(gradio, page, chosen=chosen, shown=shown, texts=texts)
    return page


def _lay_sliders(gradio, say) -> list:
    """Lay out what sets a phantom, and return it in the order of `Settings`."""
    plain = {"interactive": True, "buttons": []}
    severity = gradio.Slider(
        0, 1, START.severity, step=0.05, label=say("severity"), **plain
    )
    weeks = gradio.Slider(24, 44, START.weeks, step=1, label=say("weeks"), **plain)
    angle = gradio.Slider(
        -180, 180, START.angle_degrees, step=5, label=say("angle"), **plain
    )
    seed = gradio.Slider(0, 999, START.seed, step=1, label=say("seed"), **plain)
    tube = gradio.Checkbox(START.tube, label=say("tube"), elem_id="tube")
    tip = gradio.Slider(-1, 3, START.tube_tip, step=0.1, label=say("tube_tip"), **plain)
    return [severity, angle, tube, seed, weeks, tip]


def _connect(
    gradio, models, folder: Path, *, sliders, shown, drawn, chosen, film
) -> None:
    """Let settings and uploads change the exhibit, one visitor at a time."""
    shared = {
        "concurrency_limit": 1,
        "concurrency_id": "models",
        "api_visibility": "private",
        "trigger_mode": "always_last",
    }

    def move(severity, angle, tube, seed, weeks, tip, name):
        settings = exhibit.Settings(
            severity, angle, bool(tube), int(seed), weeks=weeks, tube_tip=tip
        )
        found = attempt(lambda: exhibit.show_phantom(settings, models))
        return stage.draw(found, language.choose_language(name)), found, None

    def take(path, name):
        if path is None:
            return gradio.skip(), gradio.skip(), gradio.skip()
        found = attempt(
            lambda: exhibit.show_film(uploads.read_upload(path, folder), models)
        )
        uploads.sweep(folder)
        return stage.draw(found, language.choose_language(name)), found, None

    gradio.on(
        [slider.input for slider in sliders],
        move,
        [*sliders, chosen],
        [drawn, shown, film],
        show_progress="hidden",
        **shared,
    )
    film.upload(
        take, [film, chosen], [drawn, shown, film], show_progress="minimal", **shared
    )


def _connect_language(gradio, page, *, chosen, shown, texts) -> None:
    """Let the switch, and `?lang=` in the address, change every word."""

    def speak(name, shown):
        code = language.choose_language(name)
        say = language.speak(stage.WORDS, code)
        names = ("severity", "angle", "tube", "seed", "weeks", "tube_tip", "upload")
        return [
            stage.draw_head(code),
            stage.draw(shown, code),
            stage.draw_section("choose", "choose_why", code),
            *(gradio.update(label=say(name)) for name in names),
            stage.draw_section("", "upload_why", code),
        ]

    def greet(request: gradio.Request):
        code = language.choose_language(request.query_params.get("lang"))
        return language.LANGUAGES[code]

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    chosen.change(speak, [chosen, shown], texts, **quiet)
    page.load(greet, None, chosen, **quiet)
