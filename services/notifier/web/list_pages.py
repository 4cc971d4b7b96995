"""Serves /: the list of a therapist's items."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.notifier.directory.store import find_practice, next_sessions
from services.notifier.inbox.audit_log import AuditAction
from services.notifier.inbox.client_numbers import number_clients
from services.notifier.inbox.items import list_items
from services.notifier.inbox.usefulness import count_outcomes
from services.notifier.web.list_view import client_groups, newest_by_client, usefulness_sentence
from services.notifier.web.page_context import PageContext

_MOST_ITEMS = 200


def list_router(context: PageContext) -> APIRouter:
    """Return the route of the list."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.get("/")
    async def inbox(request: Request) -> Response:
        now = context.clock.now()
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return pages.redirect("/sign-in")
            session, therapist = visitor
            items = await list_items(conn, session.practice_id, session.therapist_id, _MOST_ITEMS)
            newest = newest_by_client(items)
            coming = await next_sessions(
                conn,
                [
                    ((session.practice_id, session.therapist_id, client), change)
                    for client, change in newest.items()
                ],
            )
            practice = await find_practice(conn, session.practice_id)
            numbers = (
                None
                if practice.shows_reference
                else await number_clients(conn, session.practice_id, session.therapist_id, list(newest))
            )
            outcomes = await count_outcomes(conn, session.practice_id, session.therapist_id)
            await context.log(conn, session, AuditAction.LIST_VIEWED)
        wording = pages.wording(request, therapist)
        upcoming = dict(zip(newest, coming, strict=True))
        waiting = [item for item in items if item.awaits_answer]
        earlier = [item for item in items if not item.awaits_answer]
        return pages.render(
            "list.html",
            wording,
            session=session,
            waiting=client_groups(waiting, upcoming, therapist, wording, now, numbers=numbers),
            earlier=client_groups(earlier, upcoming, therapist, wording, now, numbers=numbers),
            usefulness=usefulness_sentence(outcomes, wording),
        )

    return router
