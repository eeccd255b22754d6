"""The interactive description of the API at ``/docs``, whose parts come from this service alone."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

__all__ = ["documentation_routes"]

PLACE = "/docs"
FILES = "/docs/files"


def documentation_routes(app: FastAPI) -> None:
    """Add the page and the files that it is made of."""
    folder = Path(str(resources.files("fastapi_swagger").joinpath("resources")))

    @app.get(PLACE, response_class=HTMLResponse, include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",  # relative, so that it works behind a path of a proxy
            title=app.title,
            swagger_js_url="docs/files/swagger-ui-bundle.js",
            swagger_css_url="docs/files/swagger-ui.css",
            swagger_favicon_url="docs/files/favicon-32x32.png",
            swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
        )

    app.mount(FILES, StaticFiles(directory=folder))
