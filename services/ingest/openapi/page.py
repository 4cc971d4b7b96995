"""Serves `/docs`, an interactive page of the OpenAPI document that loads nothing from other hosts."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from services.ingest.openapi import texts

_ASSETS = "/docs/assets"


def serve_docs(app: FastAPI) -> None:
    """Add the page; the scripts and styles of Swagger UI come from an installed package."""

    @app.get("/docs", include_in_schema=False)
    def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=texts.TITLE,
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon-32x32.png",
        )

    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]))
