"""Serves /guide: what to ask, do and avoid, without an alert, and a card for the first sessions."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from schemas.facts import Shape
from schemas.wording.guidance.guidance import Guidance, GuidanceEntry, Subject
from schemas.wording.wording import Wording
from services.notifier.web.page_context import PageContext


def guide_router(context: PageContext) -> APIRouter:
    """Return the route of the guide."""
    router = APIRouter(include_in_schema=False)

    @router.get("/guide")
    async def guide(request: Request) -> Response:
        async with context.pool.connection() as conn:
            visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.pages.redirect("/sign-in")
        session, therapist = visitor
        wording = context.pages.wording(request, therapist)
        return context.pages.render(
            "guide.html",
            wording,
            session=session,
            topics=guide_topics(context.guidance, wording, session.practice_id),
            card=context.guidance.start_card(wording),
        )

    return router


Topics = list[tuple[str, list[tuple[str, GuidanceEntry]]]]


def guide_topics(guidance: Guidance, wording: Wording, practice: str) -> Topics:
    """Return all entries by the names of topic and shape."""
    return [
        (
            wording("guide.all" if topic is Subject.ALL else f"component.{topic.value}"),
            [
                (wording(f"shape.{shape.value}"), guidance.entry(wording, topic, shape, practice))
                for shape in Shape
            ],
        )
        for topic in Subject
    ]
