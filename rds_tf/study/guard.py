"""What a page lets through: its own paths, and nothing from another host."""

from starlette import datastructures, types

POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio's own templates
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
PATHS = {  # what Gradio's page asks for; no route that reads a file or a schema
    *("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json"),
    *("/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/reset"),
    *("/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel"),
    *("/gradio_api/startup-events", "/gradio_api/app_id", "/gradio_api/theme.css"),
}
FOLDERS = ("/static/", "/assets/", "/svelte/", "/gradio_api/heartbeat/")


def is_open(path: str) -> bool:
    """Is this a path that the page needs?"""
    return ".." not in path and (path in PATHS or path.startswith(FOLDERS))


class Guard:
    """ASGI middleware: 404 on every path that is not open, headers on every answer."""

    def __init__(self, app: types.ASGIApp):
        """Stand before an application."""
        self.app = app

    async def __call__(
        self, scope: types.Scope, receive: types.Receive, send: types.Send
    ) -> None:
        """Pass a request on, or answer it with 404."""

        async def send_with_headers(message: types.Message) -> None:
            if message["type"] == "http.response.start":
                datastructures.MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] != "http" or is_open(scope["path"]):
            await self.app(scope, receive, send_with_headers)
            return
        start = {"type": "http.response.start", "status": 404, "headers": []}
        await send_with_headers(start)
        await send({"type": "http.response.body", "body": b"Not found."})
