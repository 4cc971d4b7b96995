"""Serves /items/…/together: what therapist and client look at side by side."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.notifier.inbox.audit_log import AuditAction
from services.notifier.inbox.items import find_item
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import parse_uuid
from services.notifier.web.together_view import together_view


def together_router(context: PageContext) -> APIRouter:
    """Return the route of the view to look at together."""
    router = APIRouter(include_in_schema=False)

    @router.get("/items/{episode}/together")
    async def together(request: Request, episode: str) -> Response:
        episode_id = parse_uuid(episode)
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return context.to_sign_in(episode)
            session, therapist = visitor
            wording = context.pages.wording(request, therapist)
            item = (
                await find_item(conn, session.practice_id, session.therapist_id, episode_id)
                if episode_id
                else None
            )
            if item is None or item.is_withdrawn:
                return context.pages.render_not_found(wording, session)
            await context.log(conn, session, AuditAction.VIEWED_TOGETHER, item.episode_id)
        drawn = item.newest if item.newest.trajectory else item.change
        # Without the session: the page has no button that a client could press by mistake.
        return context.pages.render(
            "together.html",
            wording,
            practice=session.practice_id,
            view=together_view(drawn, therapist, context.catalogue, wording),
            episode_id=item.episode_id,
        )

    return router
