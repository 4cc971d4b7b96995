"""Serves /items: the page of one item, and the forms that answer it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import Error as DatabaseError

from schemas.events import Answer, TalkedAbout
from schemas.wording.wording import Wording
from services.notifier.directory.store import find_practice, next_session
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.audit_log import AuditAction
from services.notifier.inbox.client_numbers import number_clients
from services.notifier.inbox.items import InboxItem, Share, find_item, find_live_share, find_measures
from services.notifier.inbox.record_response import ItemNotFoundError, record_response, record_topic
from services.notifier.sign_in import SignInSession
from services.notifier.web.item_view import ItemSurroundings, item_view
from services.notifier.web.measure_view import measure_views
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import FormText, is_valid_form, parse_uuid
from services.runtime.process.errors import Retry

Store = Callable[[SignInSession, UUID], Awaitable[None]]


def item_router(context: PageContext) -> APIRouter:
    """Return the routes of one item."""
    router = APIRouter(include_in_schema=False)

    @router.get("/items/{episode}")
    async def item(request: Request, episode: str, saved: str = "") -> Response:
        return await _item_page(context, request, episode, saved=bool(saved))

    @router.post("/items/{episode}/answers")
    async def answer(request: Request, episode: str, answer: FormText = "", csrf: FormText = "") -> Response:
        given = _answer(answer)

        async def store(session: SignInSession, item: UUID) -> None:
            if given is not None and await record_response(context.transact, session, item, given):
                context.metrics.answers.labels(given.value).inc()

        return await _save(context, request, episode, csrf, store if given else None)

    @router.post("/items/{episode}/topics")
    async def talked_about(
        request: Request, episode: str, topic: FormText = "", csrf: FormText = ""
    ) -> Response:
        named = _topic(topic)

        async def store(session: SignInSession, item: UUID) -> None:
            await record_topic(context.transact, session, item, named)

        # An empty topic takes back what was said.
        return await _save(context, request, episode, csrf, store if named or not topic else None)

    return router


async def _save(
    context: PageContext, request: Request, episode: str, csrf: str, store: Store | None
) -> Response:
    """Store what a form sent, then lead to the item; `store` is None for what cannot be stored."""
    pages = context.pages
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
    if visitor is None:
        return context.to_sign_in(episode)
    session, therapist = visitor
    wording = pages.wording(request, therapist)
    if not is_valid_form(request, session, csrf):
        return pages.render_bad_form(wording, session)
    episode_id = parse_uuid(episode)
    if episode_id is None or store is None:
        return pages.render_not_found(wording, session)
    try:
        await store(session, episode_id)
    except ItemNotFoundError:
        return pages.render_not_found(wording, session)
    except (Retry, DatabaseError):
        return await _item_page(context, request, episode, failed=True)
    # The browser scrolls to the confirmation and focuses it, without a script.
    return pages.redirect(f"/items/{episode_id}?saved=1#confirmation")


async def _item_page(
    context: PageContext, request: Request, episode: str, *, saved: bool = False, failed: bool = False
) -> Response:
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.to_sign_in(episode)
        session, therapist = visitor
        wording = context.pages.wording(request, therapist)
        episode_id = parse_uuid(episode)
        item = (
            await find_item(conn, session.practice_id, session.therapist_id, episode_id)
            if episode_id
            else None
        )
        if item is None:
            return context.pages.render_not_found(wording, session)
        practice = await find_practice(conn, session.practice_id)
        change = item.newest
        numbers = (
            {}
            if practice.shows_reference
            else await number_clients(
                conn, session.practice_id, session.therapist_id, [item.change.client_id]
            )
        )
        upcoming = await next_session(conn, change.practice_id, change.therapist_id, change.client_id, change)
        client = item.change.client_id
        found = await find_measures(conn, session.practice_id, session.therapist_id, [client])
        measures = found.get(client, ())
        shared = await find_live_share(conn, session.practice_id, item.episode_id, context.clock.now())
        await context.log(conn, session, AuditAction.ITEM_VIEWED, item.episode_id)
    around = ItemSurroundings(
        context.catalogue,
        context.guidance,
        practice,
        context.clock.now(),
        upcoming,
        numbers.get(item.change.client_id),
    )
    view = item_view(item, therapist, around, wording)
    return context.pages.render(
        "item.html",
        wording,
        status=503 if failed else 200,
        session=session,
        item=view,
        measures=measure_views(measures, context.catalogue, wording, therapist.zone) if measures else (),
        awaits_answer=item.awaits_answer,
        episode_id=item.episode_id,
        failed=failed,
        confirmation=_confirmation(item, therapist, wording) if saved else None,
        topics=_topics(item, wording),
        share=_shared(*shared, context, therapist, wording, numbered=view.numbered) if shared else None,
    )


@dataclass(frozen=True, slots=True)
class SharedLink:
    """The link by which an item is shared, and its state as text."""

    url: str
    state: str
    until: str


def _shared(
    share: Share,
    opened: int,
    context: PageContext,
    therapist: Therapist,
    wording: Wording,
    *,
    numbered: bool,
) -> SharedLink:
    until = wording.moment(share.expires_at, therapist.zone)
    shown = "shows" if share.with_reference else "hides"
    named = wording(f"share.{shown}_{'number' if numbered else 'reference'}")
    times = wording("share.opened" if opened else "share.not_opened", count=opened)
    return SharedLink(
        context.links.share_url(share.share_id),
        f"{wording('share.until', moment=until)} {named} {times}",
        until,
    )


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What was saved, as text, and the form that takes it back."""

    text: str
    form: str = ""
    """Last part of the address of the form; empty when there is nothing to take back."""
    field: str = ""
    value: str = ""


def _confirmation(item: InboxItem, therapist: Therapist, wording: Wording) -> Confirmation:
    """Return what now holds: read from the item, so the address cannot make the page say anything else."""
    if item.given is None:
        return Confirmation(wording("confirmation.undone"))
    if item.topic is not None:
        text = wording("confirmation.topic", topic=wording(f"topic.{item.topic.value}"))
        return Confirmation(text, "topics", "topic")
    text = wording(
        "answer.given",
        answer=wording(f"answer.{item.given.answer.value}"),
        moment=wording.moment(item.given.at, therapist.zone),
    )
    return Confirmation(text, "answers", "answer", Answer.UNDONE.value)


def _topics(item: InboxItem, wording: Wording) -> tuple[tuple[str, str], ...]:
    """Return the answers to what they talked about, as value and text; none when it is not asked."""
    if not item.asks_topic:
        return ()
    return tuple((topic.value, wording(f"topic.{topic.value}")) for topic in TalkedAbout)


def _answer(text: str) -> Answer | None:
    try:
        return Answer(text)
    except ValueError:
        return None


def _topic(text: str) -> TalkedAbout | None:
    try:
        return TalkedAbout(text)
    except ValueError:
        return None
