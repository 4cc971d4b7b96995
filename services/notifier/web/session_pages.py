"""Serves /sessions: where a therapist is signed in, with a button that ends each session."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.notifier.inbox.audit_log import AuditAction
from services.notifier.sign_in import end_own_session, list_sessions
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import FormText, is_valid_form, parse_uuid


def session_router(context: PageContext) -> APIRouter:
    """Return the routes that list and end sessions."""
    router = APIRouter(include_in_schema=False)
    pages = context.pages

    @router.get("/sessions")
    async def show(request: Request) -> Response:
        now = context.clock.now()
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return pages.redirect("/sign-in")
            session, therapist = visitor
            found = await list_sessions(conn, session, now, context.session_limits)
            await context.log(conn, session, AuditAction.SESSIONS_VIEWED)
        wording = pages.wording(request, therapist)
        return pages.render(
            "sessions.html",
            wording,
            session=session,
            limits=wording(
                "sessions.limits",
                idle=context.settings.session_idle_minutes,
                hours=context.settings.session_hours,
            ),
            sessions=[
                {
                    "id": one.session_id,
                    "is_this": one.session_id == session.session_id,
                    "started": wording.moment(one.started_at, therapist.zone),
                    "used": wording.moment(one.used_at, therapist.zone),
                }
                for one in found
            ],
        )

    @router.post("/sessions/{session_id}/end")
    async def end(request: Request, session_id: str, csrf: FormText = "") -> Response:
        named = parse_uuid(session_id)
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
            if visitor is None:
                return pages.redirect("/sign-in")
            session, therapist = visitor
            wording = pages.wording(request, therapist)
            if not is_valid_form(request, session, csrf):
                return pages.render_bad_form(wording, session)
            if named is not None and await end_own_session(conn, session, named):
                await context.log(conn, session, AuditAction.SESSION_ENDED)
        return pages.redirect("/sessions")

    return router
