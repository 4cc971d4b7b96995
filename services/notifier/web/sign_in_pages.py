"""Serves /sign-in and /sign-out: a mailed link opens a page, and the button on it starts a session."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.notifier.channels.channel import ADDRESS
from services.notifier.deliveries.link_requests import LinkRequest, store_link_request
from services.notifier.directory.store import Connection
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.sign_in import (
    LinkState,
    SignInLink,
    end_session,
    find_link,
    start_session,
    use_link,
)
from services.notifier.web.openid_pages import OfferedProvider, sign_in_path
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import COOKIE, LongFormText, is_cross_site, is_valid_form, parse_uuid
from services.runtime.postgres.tenant_guard import act_for_holder


def sign_in_router(context: PageContext) -> APIRouter:
    """Return the routes for signing in and out."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.api_route("/sign-in", methods=["GET", "HEAD"])
    async def show(
        request: Request,
        token: Annotated[str, Query(max_length=2000)] = "",
        item: Annotated[str, Query(max_length=50)] = "",
    ) -> Response:
        # Mail scanners and previews open links: opening this page must never use the link up.
        async with context.pool.connection() as conn:
            link = await _link(context, conn, token)
        return _sign_in_page(context, request, token, link, item)

    @router.post("/sign-in")
    async def sign_in(request: Request, token: LongFormText) -> Response:
        if is_cross_site(request):
            return pages.render_bad_form(pages.wording(request))
        now = context.clock.now()
        async with context.pool.connection() as conn:
            link = await _link(context, conn, token)
            if _required(context, link) is not None:
                return _sign_in_page(context, request, token, link)
            if link is None or not await use_link(conn, link.link_id, now):
                # Its state is read again: it may have been used, or bound to an earlier address, meanwhile.
                return _sign_in_page(context, request, token, await _link(context, conn, token))
            cookie = await start_session(
                conn, link.practice_id, link.therapist_id, now, context.session_limits
            )
            await write_audit_row(
                conn,
                AuditAction.SIGNED_IN,
                practice_id=link.practice_id,
                therapist_id=link.therapist_id,
                at=now,
            )
        response = pages.redirect(f"/items/{link.episode_id}" if link.episode_id else "/")
        context.set_session_cookie(response, cookie)
        return response

    @router.post("/sign-in/link")
    async def ask(
        request: Request, token: LongFormText = "", address: LongFormText = "", item: LongFormText = ""
    ) -> Response:
        wording = pages.wording(request)
        if is_cross_site(request):
            return pages.render_bad_form(wording)
        async with context.pool.connection() as conn:
            asked = LinkRequest(
                address=address.strip() if ADDRESS.fullmatch(address.strip()) else "",
                link_id=context.links.read(token),
                episode_id=parse_uuid(item),
            )
            request_id = await store_link_request(conn, asked, context.clock.now())
            await context.defer_link_request(conn, request_id)
        # The answer, and the time that it takes, are the same whether the address is known or not.
        return pages.render_message(wording, "sign_in.asked_title", "sign_in.asked", status=200)

    @router.post("/sign-out")
    async def sign_out(request: Request, csrf: LongFormText = "") -> Response:
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is not None and is_valid_form(request, visitor[0], csrf):
                await end_session(conn, visitor[0])
                await context.log(conn, visitor[0], AuditAction.SIGNED_OUT)
        response = pages.redirect("/sign-in")
        response.delete_cookie(COOKIE, path=pages.base or "/")
        return response

    return router


async def _link(context: PageContext, conn: Connection, token: str) -> SignInLink | None:
    link_id: UUID | None = context.links.read(token) if token else None
    if link_id is None or not await act_for_holder(conn, "notifier.practice_of_link", link_id):
        return None
    return await find_link(conn, link_id, context.clock.now())


def _sign_in_page(
    context: PageContext, request: Request, token: str, link: SignInLink | None, item: str = ""
) -> Response:
    state = link.state.value if link else "unknown" if token else None
    return context.pages.render(
        "sign_in.html",
        context.pages.wording(request),
        status=200 if state in {None, LinkState.GOOD.value} else 410,
        state=state,
        token=token,
        item=item,
        providers=_offered(context),
        required=_required(context, link),
    )


def _offered(context: PageContext) -> list[OfferedProvider]:
    """Return the providers whose practices want them on the public sign-in page."""
    return [
        OfferedProvider(provider.settings.name, sign_in_path(practice))
        for practice, provider in sorted(context.providers.items())
        if provider.settings.on_sign_in_page
    ]


def _required(context: PageContext, link: SignInLink | None) -> OfferedProvider | None:
    """Return the provider that a link's therapist must sign in with; None when the link will do."""
    provider = context.providers.get(link.practice_id) if link else None
    if link is None or provider is None or provider.settings.mailed_links:
        return None
    return OfferedProvider(provider.settings.name, sign_in_path(link.practice_id, link.episode_id))
