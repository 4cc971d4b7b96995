"""/sign-in and /sign-out: a mailed link opens a page, its button opens a session, another button ends it."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from services.notifier.directory.store import Connection, find_by_address, find_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox import audit
from services.notifier.sign_in import (
    Link,
    LinkState,
    ask_for_link,
    end_session,
    find_link,
    start_session,
    use_link,
)
from services.notifier.web.context import Desk
from services.notifier.web.security import COOKIE, comes_from_elsewhere, is_our_form

_SAME_ADDRESS = 5
"""One mailbox may serve a therapist in several practices: each gets a link of its own."""

Text = Annotated[str, Form(max_length=2000)]


def sign_in_router(desk: Desk) -> APIRouter:
    """The doors in and out."""
    router = APIRouter(include_in_schema=False)
    pages = desk.pages

    @router.api_route("/sign-in", methods=["GET", "HEAD"])
    async def show(request: Request, token: Annotated[str, Query(max_length=2000)] = "") -> Response:
        # Mail scanners and previews open links: looking at this page must never use the link up.
        async with desk.pool.connection() as conn:
            link = await _link(desk, conn, token)
        return _sign_in_page(desk, request, token, link)

    @router.post("/sign-in")
    async def sign_in(request: Request, token: Text) -> Response:
        if comes_from_elsewhere(request):
            return pages.message(pages.wording(request), "error.form_title", "error.form", status=403)
        now = desk.clock.now()
        async with desk.pool.connection() as conn:
            link = await _link(desk, conn, token)
            if link is None or not await use_link(conn, link.link_id, now):
                return _sign_in_page(desk, request, token, link)
            lasts = timedelta(hours=desk.settings.session_hours)
            cookie = await start_session(conn, link, now, lasts)
            await audit.write(
                conn,
                audit.Action.SIGNED_IN,
                practice_id=link.practice_id,
                therapist_id=link.therapist_id,
                at=now,
            )
        response = pages.go(f"/items/{link.episode_id}" if link.episode_id else "/")
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(lasts.total_seconds()),
            path=pages.base or "/",
            httponly=True,
            samesite="lax",
            secure=desk.settings.is_secure,
        )
        return response

    @router.post("/sign-in/link")
    async def ask(request: Request, token: Text = "", address: Text = "") -> Response:
        wording = pages.wording(request)
        if comes_from_elsewhere(request):
            return pages.message(wording, "error.form_title", "error.form", status=403)
        async with desk.pool.connection() as conn:
            link = await _link(desk, conn, token)
            for therapist in await _asking(conn, link, address.strip()):
                await _mail_link(desk, conn, therapist)
        # The same answer whether we know the address or not.
        return pages.message(wording, "sign_in.asked_title", "sign_in.asked", status=200)

    @router.post("/sign-out")
    async def sign_out(request: Request, csrf: Text = "") -> Response:
        async with desk.pool.connection() as conn:
            who = await desk.who(request, conn)
            if who is not None and is_our_form(request, who[0], csrf):
                await end_session(conn, who[0])
                await audit.write(
                    conn,
                    audit.Action.SIGNED_OUT,
                    practice_id=who[0].practice_id,
                    therapist_id=who[0].therapist_id,
                    at=desk.clock.now(),
                )
        response = pages.go("/sign-in")
        response.delete_cookie(COOKIE, path=pages.base or "/")
        return response

    return router


async def _link(desk: Desk, conn: Connection, token: str) -> Link | None:
    link_id: UUID | None = desk.links.read(token) if token else None
    return None if link_id is None else await find_link(conn, link_id, desk.clock.now())


def _sign_in_page(desk: Desk, request: Request, token: str, link: Link | None) -> Response:
    state = link.state.value if link else "unknown" if token else None
    return desk.pages.page(
        "sign_in.html",
        desk.pages.wording(request),
        status=200 if state in {None, LinkState.GOOD.value} else 410,
        state=state,
        token=token,
    )


async def _asking(conn: Connection, link: Link | None, address: str) -> list[Therapist]:
    if link is not None:
        therapist = await find_therapist(conn, link.practice_id, link.therapist_id)
        return [therapist] if therapist is not None and therapist.address is not None else []
    return await find_by_address(conn, address, _SAME_ADDRESS) if address else []


async def _mail_link(desk: Desk, conn: Connection, therapist: Therapist) -> None:
    valid = timedelta(minutes=desk.settings.asked_link_minutes)
    delivery = await ask_for_link(conn, therapist, desk.clock.now(), valid)
    if delivery is not None:
        await desk.defer(conn, [delivery])
