"""Serves /sign-in/with/{practice_id}: leads to the practice's identity provider, and takes up its answer."""

import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.openid.matching import Mismatch, claimed_value, find_match
from services.notifier.openid.pending_sign_in import LASTS, PendingSigner, PendingSignIn, begin
from services.notifier.openid.provider import NotSignedInError, OpenIdProvider, ProviderAwayError
from services.notifier.sign_in import start_session
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import parse_uuid
from services.runtime.postgres.tenant_guard import connection_for
from services.runtime.process.log import get_logger

COOKIE = "rapport_openid"
_PATH = "/sign-in/with"

Short = Annotated[str, Query(max_length=4000)]


@dataclass(frozen=True, slots=True)
class OfferedProvider:
    """A provider as the sign-in page offers it."""

    name: str
    path: str


def sign_in_path(practice_id: str, item: object = None) -> str:
    """Return the path that leads to a practice's provider, and from there to an item or the list."""
    return f"{_PATH}/{quote(practice_id, safe='')}{f'?item={item}' if item else ''}"


def callback_path(practice_id: str) -> str:
    """Return the path to which the provider sends the browser back."""
    return f"{sign_in_path(practice_id)}/callback"


def openid_router(context: PageContext) -> APIRouter:
    """Return the routes that sign in at a provider; there are none for practices without one."""
    router = APIRouter(include_in_schema=False)
    pages, providers, signer = context.pages, context.providers, context.pending_sign_ins
    cookie_path = f"{pages.base}{_PATH}"

    @router.get(_PATH + "/{practice_id}")
    async def start(request: Request, practice_id: str, item: Short = "") -> Response:
        provider = providers.get(practice_id)
        if provider is None:
            return pages.render_not_found(pages.wording(request))
        episode = parse_uuid(item)
        pending = begin(practice_id, str(episode or ""), context.clock.now())
        try:
            url = await provider.authorization_url(pending)
        except ProviderAwayError as error:
            return _refuse(context, request, practice_id, "away", error)
        response = RedirectResponse(url, 303)
        response.set_cookie(
            COOKIE,
            signer.write(pending),
            max_age=int(LASTS.total_seconds()),
            path=cookie_path,
            httponly=True,
            samesite="lax",
            secure=context.is_secure,
        )
        return response

    @router.get(_PATH + "/{practice_id}/callback")
    async def finish(
        request: Request, practice_id: str, code: Short = "", state: Short = "", error: Short = ""
    ) -> Response:
        provider = providers.get(practice_id)
        if provider is None:
            return pages.render_not_found(pages.wording(request))
        pending = _pending(request, signer, practice_id, state, context)
        if error:
            response = _refuse(context, request, practice_id, "refused")
        elif pending is None or not code:
            response = _refuse(context, request, practice_id, "interrupted")
        else:
            response = await _sign_in(context, request, provider, code, pending)
        # The answer is taken up once.
        response.delete_cookie(COOKIE, path=cookie_path)
        return response

    return router


def _pending(
    request: Request, signer: PendingSigner, practice_id: str, state: str, context: PageContext
) -> PendingSignIn | None:
    pending = signer.read(request.cookies.get(COOKIE), practice_id, context.clock.now())
    if pending is None or not hmac.compare_digest(pending.state.encode(), state.encode()):
        return None
    return pending


async def _sign_in(
    context: PageContext, request: Request, provider: OpenIdProvider, code: str, pending: PendingSignIn
) -> Response:
    practice, settings = pending.practice_id, provider.settings
    try:
        claims = await provider.claims(code, pending)
    except ProviderAwayError as error:
        return _refuse(context, request, practice, "away", error)
    except NotSignedInError as error:
        return _refuse(context, request, practice, "interrupted", error)
    claimed = claimed_value(settings, claims)
    if isinstance(claimed, Mismatch):
        return _refuse(context, request, practice, claimed.value)
    now, limits = context.clock.now(), context.session_limits
    async with connection_for(context.pool, practice) as conn:
        therapist = await find_match(conn, practice, settings, claimed)
        if therapist is None:
            return _refuse(context, request, practice, Mismatch.UNKNOWN.value, claimed=claimed)
        cookie = await start_session(conn, practice, therapist, now, limits)
        await write_audit_row(
            conn, AuditAction.SIGNED_IN, practice_id=practice, therapist_id=therapist, at=now
        )
    response = context.pages.redirect(f"/items/{pending.item}" if pending.item else "/")
    context.set_session_cookie(response, cookie)
    return response


def _refuse(
    context: PageContext,
    request: Request,
    practice_id: str,
    why: str,
    error: Exception | None = None,
    *,
    claimed: str = "",
) -> Response:
    """Return the page that says what to do; the log says why, without anything about the person."""
    detail = {} if error is None else {"error": str(error)}
    get_logger().info("openid-not-signed-in", practice_id=practice_id, reason=why, **detail)
    wording = context.pages.wording(request)
    settings = context.providers[practice_id].settings
    text = wording(f"openid.{why}", name=settings.name, claim=settings.claim, claimed=claimed)
    return context.pages.render(
        "openid.html",
        wording,
        status=503 if why == "away" else 403,
        text=text,
        again=sign_in_path(practice_id),
    )
