"""Serves / and /items: the list of items, the page of one item, and the form that answers it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from psycopg import Error as DatabaseError

from schemas.events import Answer
from services.notifier.directory.next_sessions import next_session
from services.notifier.directory.store import Connection, find_practices
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.inbox.items import find_item, list_items
from services.notifier.inbox.record_response import ItemNotFoundError, record_response
from services.notifier.sign_in import SignInSession
from services.notifier.web.item_view import ItemSurroundings, item_view, list_entry_view
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import is_valid_form
from services.runtime.process.errors import Retry

_MOST_ITEMS = 200


def item_router(context: PageContext) -> APIRouter:
    """Return the routes of the pages behind the sign-in."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.get("/")
    async def inbox(request: Request) -> Response:
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return pages.redirect("/sign-in")
            session, therapist = visitor
            items = await list_items(conn, session.practice_id, session.therapist_id, _MOST_ITEMS)
            await _log_view(context, conn, session, AuditAction.LIST_VIEWED)
        wording = pages.wording(request, therapist)
        entries = [list_entry_view(item, therapist, wording) for item in items]
        return pages.render(
            "list.html",
            wording,
            session=session,
            waiting=[entry for entry in entries if entry.awaits_answer],
            earlier=[entry for entry in entries if not entry.awaits_answer],
        )

    @router.get("/items/{episode}")
    async def item(request: Request, episode: str) -> Response:
        return await _item_page(context, request, episode)

    @router.post("/items/{episode}/answers")
    async def answer(
        request: Request,
        episode: str,
        answer: Annotated[str, Form(max_length=50)] = "",
        csrf: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        return await _save_answer(context, request, episode, answer, csrf)

    return router


async def _save_answer(
    context: PageContext, request: Request, episode: str, answer: str, csrf: str
) -> Response:
    pages = context.pages
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
    if visitor is None:
        return pages.redirect("/sign-in")
    session, therapist = visitor
    wording = pages.wording(request, therapist)
    if not is_valid_form(request, session, csrf):
        return pages.render_message(wording, "error.form_title", "error.form", status=403, session=session)
    episode_id, given = _uuid(episode), _answer(answer)
    if episode_id is None or given is None:
        return pages.render_not_found(wording, session)
    try:
        if await record_response(context.transact, session, episode_id, given):
            context.metrics.answers.labels(given.value).inc()
    except ItemNotFoundError:
        return pages.render_not_found(wording, session)
    except (Retry, DatabaseError):
        return await _item_page(context, request, episode, failed=True)
    return pages.redirect(f"/items/{episode_id}")


async def _item_page(
    context: PageContext, request: Request, episode: str, *, failed: bool = False
) -> Response:
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.pages.redirect("/sign-in")
        session, _ = visitor
        wording = context.pages.wording(request, visitor[1])
        episode_id = _uuid(episode)
        item = (
            await find_item(conn, session.practice_id, session.therapist_id, episode_id)
            if episode_id
            else None
        )
        if item is None:
            return context.pages.render_not_found(wording, session)
        practices = await find_practices(conn, [session.practice_id])
        change = item.history[-1] if item.history else item.change
        upcoming = await next_session(conn, change.practice_id, change.therapist_id, change.client_id, change)
        await _log_view(context, conn, session, AuditAction.ITEM_VIEWED, item.episode_id)
    around = ItemSurroundings(
        context.catalogue, context.guidance, practices.get(session.practice_id), context.clock.now(), upcoming
    )
    return context.pages.render(
        "item.html",
        wording,
        status=503 if failed else 200,
        session=session,
        item=item_view(item, visitor[1], around, wording),
        awaits_answer=item.awaits_answer,
        episode_id=item.episode_id,
        failed=failed,
    )


async def _log_view(
    context: PageContext,
    conn: Connection,
    session: SignInSession,
    action: AuditAction,
    episode: UUID | None = None,
) -> None:
    await write_audit_row(
        conn,
        action,
        practice_id=session.practice_id,
        therapist_id=session.therapist_id,
        at=context.clock.now(),
        episode_id=episode,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _answer(text: str) -> Answer | None:
    try:
        return Answer(text)
    except ValueError:
        return None
