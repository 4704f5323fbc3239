"""The exhibition page: `python -m rds_tf serve demo`."""

import os
import signal
import tempfile
import threading
from pathlib import Path

from starlette import middleware

from rds_tf import config
from rds_tf.diagnosis import diagnose
from rds_tf.study import exhibit_page, guard, uploads

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STYLE = Path(__file__).with_name("exhibition.css")
MAX_WAITING = 20  # visitors


def serve(models: str | Path, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until interrupted.

    Args:
        models: folder of models, as for `diagnose.load_models`.
        host: address to listen on; other than loopback, others can reach the page.
        port: int.

    Raises:
        store.ModelError: if a model is missing or damaged.
        OSError: if the port is taken.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Loading the models in {models} ...", flush=True)
    if host not in LOOPBACK:
        print(
            f"Warning: on {host} anyone in this network can use the page, "
            "without a password and unencrypted.",
            flush=True,
        )
    loaded = diagnose.load_models(models)
    with tempfile.TemporaryDirectory(prefix="rds_tf_") as folder:
        gradio = _import_gradio(folder)
        uploads.start_reader()
        page = exhibit_page.build_page(gradio, loaded, Path(folder))
        launch(gradio, page, host, port)
        print(f"Ready: http://{host}:{port} (Ctrl+C ends it).")
        print(config.NOT_FOR_CLINICAL_USE, flush=True)
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def _import_gradio(folder: str):
    """Import Gradio, told to keep to itself and to one folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = folder
    import gradio  # reads these when it is imported

    return gradio


def launch(gradio, page, host: str, port: int) -> None:
    """Start the server behind `guard` and return."""
    plain = gradio.themes.Base(
        font=["system-ui", "Noto Sans CJK KR", "Malgun Gothic", "sans-serif"],
        font_mono=["monospace"],
    )
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        share=False,
        quiet=True,
        ssr_mode=False,
        max_file_size=uploads.MAX_FILE,
        max_threads=4,
        state_session_capacity=MAX_WAITING,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        theme=plain,
        css=STYLE.read_text(encoding="utf-8"),
        head=HEAD,
        app_kwargs={
            "openapi_url": None,
            "middleware": [middleware.Middleware(guard.Guard)],
        },
    )


# `?kiosk=120` begins anew after 120 seconds without a visitor, `?lang=ko` in Korean.
HEAD = """<script>
const kiosk = Number(new URLSearchParams(location.search).get("kiosk"));
if (kiosk > 0) {
  let idle;
  const touch = () => {
    clearTimeout(idle);
    idle = setTimeout(() => location.reload(), 1000 * kiosk);
  };
  for (const kind of ["pointerdown", "keydown", "drop", "wheel"])
    addEventListener(kind, touch);
  addEventListener("contextmenu", (event) => event.preventDefault());
}
</script>"""
