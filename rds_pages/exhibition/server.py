"""The exhibition page: `rds-tf serve demo`."""

import os
import signal
import tempfile
from pathlib import Path

from fastapi import FastAPI

from rds_pages import templates
from rds_pages.exhibition import layout, uploads
from rds_tf import config
from rds_tf.diagnosis import diagnose
from rds_tf.storage import model_store

HERE = Path(__file__).parent
ROUTES = (  # what this page asks of Gradio; none that reads a file or a schema
    r"/config|/manifest\.json|/gradio_api/(upload|upload_progress|reset|cancel|app_id)",
    r"/gradio_api/(startup-events|theme\.css|queue/join|queue/data|heartbeat/\w+)",
    r"/svelte(/[\w-]+(\.[\w-]+)*)+",
)


def serve(
    models: str | Path,
    host: str = "127.0.0.1",
    port: int = 7860,
    segmenters: str | Path | None = None,
) -> None:
    """Serve the page until interrupted.

    Args:
        models, segmenters: folders, as for `diagnose.load_models`.
        host: address to listen on; other than loopback, others can reach the page.
        port: int; 0 takes a free one.

    Raises:
        model_store.ModelError: if a model is missing or damaged.
        OSError: if the port is taken.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # films are deleted
    print(f"Loading the models in {models} ...", flush=True)
    loaded = diagnose.load_models(models, segmenters)
    if (finding := loaded.joined.finding) != config.FINDING:
        raise model_store.ModelError(
            f"{models}: finds {finding}, and the exhibition shows {config.FINDING}."
        )
    with tempfile.TemporaryDirectory(prefix="rds_tf_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from rds_pages import site  # Gradio asks for its folder when imported

        uploads.start_reader()
        app, routes = build(loaded, Path(folder))
        print(config.NOT_FOR_CLINICAL_USE, flush=True)
        site.run(app, routes, host=host, port=port, upload_bytes=uploads.MAX_BYTES)


def build(models: diagnose.Models, folder: Path):
    """Build the site: a FastAPI app, and the routes that are let through."""
    from rds_pages import site

    page = layout.build_page(site.gr, models, folder)
    plain = site.gr.themes.Base(
        font=["system-ui", "Noto Sans CJK KR", "Malgun Gothic", "sans-serif"],
        font_mono=["monospace"],
    )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    return site.build_site(
        page,
        app,
        ROUTES,
        theme=plain,
        css=(HERE / "exhibition.css").read_text(encoding="utf-8"),
        head=templates.render("head.html.j2", script="exhibition/kiosk.js"),
        max_file_size=uploads.MAX_BYTES,
    )
