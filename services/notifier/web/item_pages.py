"""/ and /items: what a therapist has to review, one item with its message, and their answer to it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from psycopg import Error as DatabaseError

from schemas.events import Answer
from services.notifier.directory.store import Connection, find_practices
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.inbox.items import find_item, list_items
from services.notifier.inbox.record_response import ItemNotFoundError, record_response
from services.notifier.sign_in import SignInSession
from services.notifier.web.item_view import line, view
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import is_valid_form
from services.runtime.process.errors import Retry

_MOST_ITEMS = 200


def item_router(context: PageContext) -> APIRouter:
    """The pages behind the sign-in."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.get("/")
    async def inbox(request: Request) -> Response:
        async with context.pool.connection() as conn:
            who = await context.who(request, conn)
            if who is None:
                return pages.go("/sign-in")
            session, therapist = who
            items = await list_items(conn, session.practice_id, session.therapist_id, _MOST_ITEMS)
            await _viewed(context, conn, session, AuditAction.LIST_VIEWED)
        wording = pages.wording(request, therapist)
        lines = [line(item, therapist, wording) for item in items]
        return pages.page(
            "list.html",
            wording,
            session=session,
            waiting=[one for one in lines if one.awaits_answer],
            earlier=[one for one in lines if not one.awaits_answer],
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
        return await _answered(context, request, episode, answer, csrf)

    return router


async def _answered(context: PageContext, request: Request, episode: str, answer: str, csrf: str) -> Response:
    pages = context.pages
    async with context.pool.connection() as conn:
        who = await context.who(request, conn)
    if who is None:
        return pages.go("/sign-in")
    session, therapist = who
    wording = pages.wording(request, therapist)
    if not is_valid_form(request, session, csrf):
        return pages.message(wording, "error.form_title", "error.form", status=403, session=session)
    wanted, given = _uuid(episode), _answer(answer)
    if wanted is None or given is None:
        return pages.not_found(wording, session)
    try:
        if await record_response(context.transact, session, wanted, given):
            context.metrics.answers.labels(given.value).inc()
    except ItemNotFoundError:
        return pages.not_found(wording, session)
    except (Retry, DatabaseError):
        return await _item_page(context, request, episode, failed=True)
    return pages.go(f"/items/{wanted}")


async def _item_page(
    context: PageContext, request: Request, episode: str, *, failed: bool = False
) -> Response:
    async with context.pool.connection() as conn:
        who = await context.who(request, conn)
        if who is None:
            return context.pages.go("/sign-in")
        session, _ = who
        wording = context.pages.wording(request, who[1])
        wanted = _uuid(episode)
        found = await find_item(conn, session.practice_id, session.therapist_id, wanted) if wanted else None
        if found is None:
            return context.pages.not_found(wording, session)
        practices = await find_practices(conn, [session.practice_id])
        await _viewed(context, conn, session, AuditAction.ITEM_VIEWED, found.episode_id)
    practice = practices.get(session.practice_id)
    return context.pages.page(
        "item.html",
        wording,
        status=503 if failed else 200,
        session=session,
        item=view(found, who[1], practice, context.catalogue, wording),
        awaits_answer=found.awaits_answer,
        episode_id=found.episode_id,
        failed=failed,
    )


async def _viewed(
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
