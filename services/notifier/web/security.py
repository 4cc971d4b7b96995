"""Adds security headers to every response, and checks that a form comes from our own page."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from services.notifier.sign_in import SignInSession
from services.runtime.http.response_headers import sending_with

COOKIE = "rapport_session"


def _without_nul(value: str) -> str:
    # PostgreSQL cannot store it, and no keyboard sends it.
    if "\x00" in value:
        raise PydanticCustomError("nul", "contains a NUL character")
    return value


FormText = Annotated[str, Form(max_length=200), AfterValidator(_without_nul)]
"""A field of a form, short; what cannot be stored is refused with the page for a form that cannot be read."""
LongFormText = Annotated[str, Form(max_length=2000), AfterValidator(_without_nul)]
"""A field of a form that may hold a token or an address."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
"""Allows our own styles, images and forms, and nothing else; no script may run."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "interest-cohort=()",
}


class SecurityHeaders:
    """Adds the security headers to every response; only static files may be cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        await self._app(scope, receive, sending_with(send, _add))


def _add(headers: MutableHeaders) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")


def is_cross_site(request: Request) -> bool:
    """Return whether the browser states that another site caused this request."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def is_valid_form(request: Request, session: SignInSession, csrf: str) -> bool:
    """Return whether a form was shown to this session, on our own page."""
    return not is_cross_site(request) and session.accepts(csrf)


def parse_uuid(text: str) -> UUID | None:
    """Return the id that a part of an address names; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
