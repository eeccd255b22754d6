"""The page at ``/`` for people; its files are in ``web/`` and need nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from asr.serve.config import ServeConfig

__all__ = ["page_routes"]

FOLDER = Path(__file__).with_name("web")
FILES = "/page"
FRESH = {"Cache-Control": "no-cache"}  # a browser asks whether its copy is the newest
POLICY = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes(app: FastAPI, config: ServeConfig) -> None:
    """Add the page and its files; the page offers what the settings allow."""
    offered = (" data-corrections" * bool(config.corrections_dir)) + " data-learn" * bool(
        config.learn_s
    )
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    content = text.replace("<body>", f"<body{offered}>", 1)

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(content, headers={**FRESH, **POLICY})

    app.mount(FILES, _FreshFiles(directory=FOLDER))


class _FreshFiles(StaticFiles):
    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(FRESH)
        return response
