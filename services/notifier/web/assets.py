"""Serves /static: the style sheet and the icon, read once."""

from collections.abc import Mapping
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

_TYPES = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


def asset_router() -> APIRouter:
    """Return the route of the static files."""
    router = APIRouter(include_in_schema=False)
    folder = resources.files("services.notifier.web") / "static"
    files: Mapping[str, bytes] = {name: (folder / name).read_bytes() for name in _TYPES}

    @router.get("/static/{name}")
    async def asset(name: str) -> Response:
        if name not in files:
            return PlainTextResponse("not found", 404)
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(files[name], media_type=_TYPES[name], headers=headers)

    return router
