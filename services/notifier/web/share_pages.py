"""Serves /items/…/share, where a therapist shares one item, and /shared, where a supervisor reads it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from services.notifier.directory.store import find_practice, find_therapist
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.inbox.client_numbers import number_clients
from services.notifier.inbox.items import find_item
from services.notifier.inbox.shares import end_share, find_share, share_item
from services.notifier.web.item_view import ItemSurroundings, item_view
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import FormText, LongFormText, is_cross_site, is_valid_form, parse_uuid


def share_router(context: PageContext) -> APIRouter:
    """Return the routes of shared items."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.post("/items/{episode}/share")
    async def share(
        request: Request,
        episode: str,
        *,
        csrf: FormText = "",
        reference: FormText = "",
        end: FormText = "",
    ) -> Response:
        return await _save_share(
            context, request, episode, csrf, with_reference=bool(reference), end=bool(end)
        )

    @router.api_route("/shared", methods=["GET", "HEAD"])
    async def ask(request: Request, token: Annotated[str, Query(max_length=2000)] = "") -> Response:
        # Mail scanners and previews open links: only the button counts as an opening.
        return pages.render("shared_link.html", pages.wording(request), token=token)

    @router.post("/shared")
    async def show(request: Request, token: LongFormText = "") -> Response:
        if is_cross_site(request):
            return pages.render_bad_form(pages.wording(request))
        return await _shared_item(context, request, token)

    return router


async def _save_share(
    context: PageContext, request: Request, episode: str, csrf: str, *, with_reference: bool, end: bool
) -> Response:
    """Make or end the link to an item, then lead to the item."""
    now, episode_id = context.clock.now(), parse_uuid(episode)
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.to_sign_in(episode)
        session, therapist = visitor
        wording = context.pages.wording(request, therapist)
        if not is_valid_form(request, session, csrf):
            return context.pages.render_bad_form(wording, session)
        if episode_id is None:
            return context.pages.render_not_found(wording, session)
        if end:
            if await end_share(conn, session, episode_id, now):
                await context.log(conn, session, AuditAction.SHARE_ENDED, episode_id)
        elif await share_item(conn, session, episode_id, now, with_reference=with_reference):
            await context.log(conn, session, AuditAction.SHARED, episode_id)
        else:
            return context.pages.render_not_found(wording, session)
    return context.pages.redirect(f"/items/{episode_id}#share")


async def _shared_item(context: PageContext, request: Request, token: str) -> Response:
    share_id, now = context.links.read_share(token), context.clock.now()
    async with context.pool.connection() as conn:
        share = await find_share(conn, share_id, now) if share_id else None
        therapist = await find_therapist(conn, share.practice_id, share.therapist_id) if share else None
        item = (
            await find_item(conn, share.practice_id, share.therapist_id, share.episode_id) if share else None
        )
        if share is None or therapist is None or item is None or item.is_withdrawn:
            return context.pages.render_message(
                context.pages.wording(request), "share.gone_title", "share.gone", status=410
            )
        practice = await find_practice(conn, share.practice_id)
        numbers = (
            {}
            if practice.shows_reference
            else await number_clients(conn, share.practice_id, share.therapist_id, [item.change.client_id])
        )
        await write_audit_row(
            conn,
            AuditAction.SHARE_OPENED,
            practice_id=share.practice_id,
            therapist_id=share.therapist_id,
            at=now,
            episode_id=share.episode_id,
        )
    # In the language and the time zone of the therapist: the two of them look at the same words.
    wording = context.pages.wording(request, therapist)
    around = ItemSurroundings(
        context.catalogue, context.guidance, None, now, client_number=numbers.get(item.change.client_id)
    )
    view = item_view(item, therapist, around, wording)
    return context.pages.render(
        "shared_item.html",
        wording,
        practice=share.practice_id,
        item=view,
        title=view.title if share.with_reference else wording("share.title"),
        until=wording("share.until", moment=wording.moment(share.expires_at, therapist.zone)),
    )
