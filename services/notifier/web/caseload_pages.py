"""Serves /caseload: every client of the therapist with the course of their marks, and a search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import from_units
from schemas.validation_errors import InvalidInput
from schemas.wording.wording import Wording
from services.notifier.directory.store import find_practice
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.audit_log import AuditAction
from services.notifier.inbox.caseload import AssessedSession, CaseloadClient, find_caseload
from services.notifier.web.measure_view import MeasureLine, measure_lines
from services.notifier.web.page_context import PageContext
from services.notifier.web.security import FormText, is_cross_site
from services.notifier.web.small_line import SmallLine, small_line

_LAST_PAGE = 10_000
"""No therapist has as many pages of clients; a page after the last one shows the last one."""


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client as a row of the page."""

    client: str
    open_of: str
    """What the link to the open item is called."""
    line: SmallLine | None
    measures: tuple[MeasureLine, ...]
    last_form: str
    item_url: str | None


def caseload_router(context: PageContext) -> APIRouter:
    """Return the routes of the page of all clients."""
    router = APIRouter(include_in_schema=False)

    @router.get("/caseload")
    async def show(request: Request, page: Annotated[int, Query(ge=1, le=_LAST_PAGE)] = 1) -> Response:
        return await _page(context, request, "", page)

    # A reference belongs into no address: addresses are kept by browsers and logs.
    @router.post("/caseload")
    async def search(request: Request, reference: FormText = "") -> Response:
        return await _page(context, request, "" if is_cross_site(request) else reference.strip())

    return router


async def _page(context: PageContext, request: Request, reference: str, page: int = 1) -> Response:
    async with context.pool.connection() as conn:
        visitor = await context.signed_in(request, conn)
        if visitor is None:
            return context.pages.redirect("/sign-in")
        session, therapist = visitor
        numbered = not (await find_practice(conn, session.practice_id)).shows_reference
        found = await find_caseload(
            conn,
            session.practice_id,
            session.therapist_id,
            numbered=numbered,
            wanted=reference,
            page=page,
        )
        await context.log(conn, session, AuditAction.CASELOAD_VIEWED)
    wording = context.pages.wording(request, therapist)
    shown = len(found.clients)
    return context.pages.render(
        "caseload.html",
        wording,
        session=session,
        numbered=numbered,
        searched=bool(reference),
        # What was typed may be a reference, which this page is not to show.
        typed="" if numbered else reference,
        page=found.page,
        pages=found.pages,
        more=wording("caseload.more", shown=shown, all=found.found)
        if reference and shown < found.found
        else None,
        clients=[_row(client, therapist, context.catalogue, wording) for client in found.clients],
        has_measures=any(client.measures for client in found.clients),
    )


def _row(client: CaseloadClient, therapist: Therapist, catalogue: Catalogue, wording: Wording) -> ClientRow:
    forms = [one.at for one in client.sessions if one.marks]
    return ClientRow(
        client=client.client_id
        if client.number is None
        else wording("caseload.number", number=client.number),
        open_of=wording("caseload.open_of", client=client.client_id)
        if client.number is None
        else wording("caseload.open_of_number", number=client.number),
        line=small_line(list(_means(client.sessions, catalogue)), wording),
        measures=measure_lines(client.measures, catalogue, wording),
        last_form=wording.day(max(forms), therapist.zone) if forms else wording("caseload.no_form"),
        item_url=f"/items/{client.open_item}" if client.open_item else None,
    )


def _means(sessions: Sequence[AssessedSession], catalogue: Catalogue) -> Iterator[float | None]:
    """Yield the mean mark of each session from 0 to 1; None without a form or with an unknown instrument."""
    for session in sessions:
        try:
            instrument = catalogue.get(session.instrument)
        except InvalidInput:
            yield None
            continue
        marks = [from_units(instrument, mark) for mark in session.marks.values()]
        yield sum(marks) / len(marks) if marks else None
