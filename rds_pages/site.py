"""A small web site on one machine: a Gradio page, and no route besides.

Gradio brings some sixty routes (files, uploads, a proxy, API docs). The allowlist
lets through those that a page is known to need; every other address is not found. Its
headers forbid the browser to fetch anything from elsewhere, so that the page works,
and sends nothing out, in a hospital without internet.
"""

import os
import re
import socket
from urllib.parse import urlsplit

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by Gradio when it is imported

import gradio as gr  # noqa: E402
import uvicorn  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402

NAME = r"[\w-]+(\.[\w-]+)*"  # no dot at its start, nor two in a row
PAGE_ROUTES = (
    r"/|/theme\.css|/favicon\.ico|/gradio_api/component_server/?",
    rf"/(assets|static)(/{NAME})+",
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
UPLOAD = "/gradio_api/upload"
MAX_BODY_BYTES = 2**16
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' "
    "'unsafe-eval'; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
OTHERS_MAY_LOOK = (
    "Warning: {host} can be reached from other machines, and nothing is encrypted on "
    "the way. Use it in a closed network only, or leave --host out."
)


class Allowlist:
    """An ASGI layer that answers 404 to every address but those of a page.

    Attributes:
        app: what stands behind it.
        routes: regular expressions of the paths let through, whole.
        upload_bytes: how large a file may be sent to `UPLOAD`; 0, none at all.
        hosts: names under which the site may be asked for; None admits any. A foreign
            name on a loopback address is another site's script (DNS rebinding).
    """

    def __init__(
        self,
        app,
        routes: tuple[str, ...],
        *,
        hosts: tuple[str, ...] | None,
        upload_bytes: int = 0,
    ):
        """Compile the routes."""
        self.app, self.hosts, self.upload_bytes = app, hosts, upload_bytes
        self.pattern = re.compile("|".join(f"(?:{route})" for route in routes))

    async def __call__(self, scope, receive, send) -> None:
        """Let a request through, with headers of our own, or answer it here."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return None  # no web sockets: closed without a word
        refusal = self._find_refusal(scope)
        if refusal:
            return await PlainTextResponse(*refusal)(scope, receive, send)

        async def send_with_headers(message) -> None:
            if message["type"] == "http.response.start":
                ours = [(n.encode(), v.encode()) for n, v in HEADERS.items()]
                kept = [h for h in message["headers"] if h[0].decode() not in HEADERS]
                message = {**message, "headers": [*kept, *ours]}
            await send(message)

        return await self.app(scope, receive, send_with_headers)

    def _find_refusal(self, scope) -> tuple[str, int] | None:
        """Return text and status of a refusal, None if the request may pass."""
        headers = {name.decode().lower(): v.decode() for name, v in scope["headers"]}
        host = headers.get("host", "")
        if self.hosts and urlsplit(f"//{host}").hostname not in self.hosts:
            return "Not here.", 403
        if (origin := headers.get("origin")) and urlsplit(origin).netloc != host:
            return "Not from there.", 403
        raw = scope.get("raw_path", b"").partition(b"?")[0]
        if b"%" in raw or not self.pattern.fullmatch(scope["path"]):
            return "Not found.", 404
        if scope["method"] == "POST":
            kind, most = "application/json", MAX_BODY_BYTES
            if scope["path"] == UPLOAD:
                kind, most = "multipart/form-data", self.upload_bytes
            length = headers.get("content-length", "")
            if not length.isdigit() or int(length) > most:
                return "Too long.", 413
            if not headers.get("content-type", "").startswith(kind):
                return f"Only {kind}.", 415
        return None


def build_site(page: gr.Blocks, app: FastAPI, more_routes: tuple[str, ...], **looks):
    """Mount a page on an app with all that Gradio offers besides switched off.

    Args:
        page: the page.
        app: a FastAPI app, with routes of its own or none.
        more_routes: regular expressions of these.
        **looks: `head`, `theme`, `css`, `max_file_size` of `gr.mount_gradio_app`.

    Returns:
        The FastAPI app, and the routes for an `Allowlist` before it.
    """
    app = gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        **looks,
    )
    page.has_launched = True  # only then does Gradio ask where a path leads
    return app, (*PAGE_ROUTES, *more_routes)


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises:
        OSError: if it is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"Cannot listen on {host}, port {port}: {error.strerror}; another --port "
            "may be free."
        ) from error


def run(
    app, routes: tuple[str, ...], *, host: str, port: int, upload_bytes: int = 0
) -> None:
    """Serve an app behind its allowlist until interrupted, and print where.

    Args:
        app: a FastAPI app.
        routes: regular expressions of the paths that are let through.
        host: address to listen on.
        port: int; 0 takes a free one.
        upload_bytes: int, how large an upload may be; default none is let through.
    """
    listening = open_socket(host, port)
    port = listening.getsockname()[1]
    local = host in LOOPBACK
    if not local:
        print(OTHERS_MAY_LOOK.format(host=host), flush=True)
    shown = f"[{host}]" if ":" in host else host
    print(f"Open http://{shown}:{port}/ in a browser. Ctrl+C ends it.", flush=True)
    hosts = LOOPBACK if local else None
    guarded = Allowlist(app, routes, hosts=hosts, upload_bytes=upload_bytes)
    quiet = {"log_level": "warning", "log_config": None, "access_log": False}
    closed = {"server_header": False, "proxy_headers": False}
    settings = uvicorn.Config(guarded, **quiet, **closed)
    uvicorn.Server(settings).run(sockets=[listening])
