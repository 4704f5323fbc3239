"""The reading room as a site: `rds-tf serve study PACK`.

Gradio and not Streamlit: a Streamlit script runs again from its top at every touch,
which leaves no place for a viewer that keeps its window and zoom, nor for a clock.
Gradio stands on FastAPI, so that all routes but the page's can be closed (`site`), and
its `HTML` carries a viewer of our own. There are no Gradio events.
"""

import sys
from pathlib import Path

from fastapi import FastAPI, HTTPException, Response

from rds_pages import language, site, templates
from rds_pages.reading_room import room
from rds_tf import config

HERE = Path(__file__).parent
SCRIPTS = ("viewer.js", "reading_room.js", "answer_form.js")
WORDS = language.load_words(HERE)


def build(pack: str | Path):
    """Build the site of a pack: a FastAPI app, and the routes that are let through.

    Raises:
        FileNotFoundError, ValueError: as of `room.Room`.
    """
    gr, opened = site.gr, room.Room(pack)

    def ask(message, request: gr.Request) -> dict:
        try:
            return opened.ask(message, request.client.host if request.client else "")
        except OSError as error:  # a full disk: the page keeps the answer, asks again
            print(error, file=sys.stderr, flush=True)
            return {}

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/film/{ticket}")
    def read_film(ticket: str) -> Response:
        content = opened.read_file(ticket)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="application/octet-stream")

    scripts = [(HERE / name).read_text(encoding="utf-8") for name in SCRIPTS]
    words = {
        code: {key: text[code] for key, text in WORDS.items()}
        for code in language.LANGUAGES
    }
    title = f"rds_tf: {WORDS['title']['en']}"
    with gr.Blocks(title=title, analytics_enabled=False) as page:
        gr.HTML(
            html_template=templates.render(
                "reading_room/reading_room.html.j2", languages=language.LANGUAGES
            ),
            js_on_load="\n".join(scripts),
            server_functions=[ask],
            words=words,
            finding=opened.answers.finding,
            elem_id="reading-room",
            apply_default_css=False,
        )
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    head = templates.render("head.html.j2", style="reading_room/reading_room.css")
    return site.build_site(page, app, (r"/film/[\w-]+",), head=head, theme=theme)


def serve(pack: str | Path, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the reading room of a pack until interrupted.

    Args:
        pack: folder written by `study plan`.
        host: address to listen on; all but the default can be reached by others.
        port: 0 takes a free one.

    Raises:
        FileNotFoundError, ValueError: if `pack` is not a pack.
        OSError: if the address is taken.
    """
    app, routes = build(pack)
    print(f"Reading room of {pack}. {config.NOT_FOR_CLINICAL_USE}", flush=True)
    site.run(app, routes, host=host, port=port)
