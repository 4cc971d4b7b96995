"""Turns an inbox item into the finished texts of its page; pure, so that it can be tested without a page."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.events import Answer, Change, ComponentAssessment, EpisodeChanged
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.validation_errors import InvalidInput
from schemas.wording.sentences import basis, certainty, likely_of_ten, topic
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem
from services.notifier.web.trajectory_chart import NARROW, WIDE, TrajectoryChart, draw
from services.notifier.wording import Wording

ANSWERS = (Answer.DISCUSSED, Answer.WILL_DISCUSS, Answer.NOT_RELEVANT, Answer.OUTSIDE_EVENT)

_KNOWN_AFTER = 3


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One component's ratings in the instrument's units, as text."""

    name: str
    score: str
    usual: str
    change: str
    leading: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """The finished texts of an item's page."""

    title: str
    reference: str
    client_url: str | None
    next_session: str | None
    state: str
    withdrawn: bool
    what: tuple[str, ...]
    scale: str
    moved: tuple[ComponentRow, ...]
    sure: str | None
    likely: int | None
    """The risk as a number of cases in ten."""
    basis: str
    charts: tuple[TrajectoryChart, ...]
    meaning: str
    question: str
    action: str
    unknown: tuple[str, ...]
    history: tuple[tuple[str, str], ...]
    given: str | None
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ListEntryView:
    """The finished texts of an item in the list."""

    url: str
    text: str
    moved: str
    next_session: str | None
    state: str
    awaits_answer: bool


def client_reference(practice_id: str, client_id: str) -> str:
    """Return six characters that tell clients apart without showing their id."""
    return hashlib.sha256(f"reference\x1f{practice_id}\x1f{client_id}".encode()).hexdigest()[:6]


def list_entry_view(item: InboxItem, therapist: Therapist, wording: Wording) -> ListEntryView:
    """Return the texts of an item in the list."""
    change = item.change
    leading = change.leading_component
    found = change.components.get(leading) if leading else None
    moved = ""
    if leading and found and found.change is not None and item.state is not Change.WITHDRAWN:
        moved = wording(
            "list.moved",
            component=wording(f"component.{leading.value}"),
            change=wording.signed(found.change),
        )
    upcoming = _next_session(change, therapist.zone, wording)
    return ListEntryView(
        url=f"/items/{item.episode_id}",
        text=wording(
            "list.line",
            moment=wording.moment(change.session_at, therapist.zone),
            reference=client_reference(change.practice_id, change.client_id),
        ),
        moved=moved,
        next_session=wording("list.next_session", moment=upcoming)
        if upcoming and item.awaits_answer
        else None,
        state=wording(f"state.{item.state.value}"),
        awaits_answer=item.awaits_answer,
    )


def item_view(
    item: InboxItem,
    therapist: Therapist,
    practice: PracticeOptions | None,
    catalogue: Catalogue,
    wording: Wording,
) -> ItemView:
    """Return the texts of an item's page."""
    change, zone = item.change, therapist.zone
    instrument = _instrument(catalogue, change.instrument)
    subject = topic(change.movement, change.leading_component)
    upcoming = _next_session(change, zone, wording)
    latest = next((one for one in reversed(item.history) if one.trajectory), change)
    shown_with = _instrument(catalogue, latest.instrument)
    template = practice.client_url_template if practice else None
    return ItemView(
        title=wording("item.title", moment=wording.moment(change.session_at, zone)),
        reference=wording("item.reference", reference=client_reference(change.practice_id, change.client_id)),
        client_url=template.replace("{client_id}", quote(change.client_id, safe="")) if template else None,
        next_session=wording("item.next_session", moment=upcoming) if upcoming else None,
        state=wording(f"state.{item.state.value}"),
        withdrawn=item.state is Change.WITHDRAWN,
        what=tuple(_what_changed(change, wording, zone)),
        scale=_scale(instrument, wording),
        moved=tuple(_component_rows(change, wording)),
        sure=None if change.risk is None else certainty(wording.texts, change.risk),
        likely=None if change.risk is None else likely_of_ten(change.risk),
        basis=basis(wording.texts, change.ratings),
        charts=tuple(
            chart
            for frame in (WIDE, NARROW)
            if (chart := draw(frame, latest.trajectory, shown_with, wording, zone)) is not None
        ),
        meaning=wording(f"meaning.{subject}"),
        question=wording("format.quotation", text=wording(f"question.{subject}")),
        action=wording(f"action.{subject}"),
        unknown=tuple(_unknown(change, wording)),
        history=tuple(
            (wording.moment(one.session_at, zone), wording(f"history.{one.change.value}"))
            for one in item.history
            if one.change is not Change.CONTINUED  # the picture and the numbers show these sessions
        ),
        given=_given(item, wording, zone),
        answers=tuple((one.value, wording(f"answer.{one.value}")) for one in ANSWERS),
    )


def _instrument(catalogue: Catalogue, instrument_id: str) -> Instrument | None:
    # The detector may know an instrument that the notifier does not: the page then shows no units.
    try:
        return catalogue.get(instrument_id)
    except InvalidInput:
        return None


def _next_session(change: EpisodeChanged, zone: ZoneInfo, wording: Wording) -> str | None:
    return wording.moment(change.next_session_at, zone) if change.next_session_at else None


def _what_changed(change: EpisodeChanged, wording: Wording, zone: ZoneInfo) -> Iterator[str]:
    # The trajectory may include an earlier episode; only the sessions of this one are counted.
    flagged = [
        point.session_at
        for point in change.trajectory
        if point.flagged and point.session_at >= change.opened_at
    ]
    yield wording(
        f"movement.{change.movement.value if change.movement else 'none'}",
        session=wording.moment(change.session_at, zone),
    )
    if len(flagged) > 1:
        yield wording(
            "movement.sessions",
            sessions=len(flagged),
            first=wording.day(min(flagged), zone),
            last=wording.day(max(flagged), zone),
        )
    fallen = _component_to_name(change)
    if fallen is not None:
        yield wording(
            "movement.change",
            component=wording(f"component.long.{fallen[0].value}"),
            score=wording.number(fallen[1]),
            usual=wording.number(fallen[1] - fallen[2]),
            change=wording.signed(fallen[2]),
        )
    if change.change is Change.DEEPENED:
        yield wording("movement.deepened")


def _component_to_name(change: EpisodeChanged) -> tuple[Component, float, float] | None:
    """Return the component to name, its rating and its change.

    That is the leading component, or the one that fell most when the leading one has no rating this time.
    """
    found = {
        one: (values.score, values.change)
        for one, values in change.components.items()
        if values.score is not None and values.change is not None
    }
    if not found:
        return None
    leading = change.leading_component
    named = leading if leading in found else min(found, key=lambda one: found[one][1])
    return (named, *found[named])


def _component_rows(change: EpisodeChanged, wording: Wording) -> Iterator[ComponentRow]:
    for component in Component:
        found = change.components.get(component)
        if found is not None and not _is_empty(found):
            yield ComponentRow(
                name=wording(f"component.{component.value}"),
                score=wording("item.no_mark") if found.score is None else wording.number(found.score),
                usual=wording("item.not_known") if found.usual is None else wording.number(found.usual),
                change="" if found.change is None else wording.signed(found.change),
                leading=component is change.leading_component,
            )


def _is_empty(found: ComponentAssessment) -> bool:
    return found.score is None and found.usual is None


def _scale(instrument: Instrument | None, wording: Wording) -> str:
    if instrument is None:
        return ""
    return wording(
        "item.scale",
        title=instrument.title,
        lowest=f"{instrument.lowest:g}",
        highest=f"{instrument.highest:g}",
    )


def _unknown(change: EpisodeChanged, wording: Wording) -> Iterator[str]:
    if change.ratings < _KNOWN_AFTER:
        yield wording("unknown.early")
    for key in ("context", "why", "judgement"):
        yield wording(f"unknown.{key}")


def _given(item: InboxItem, wording: Wording, zone: ZoneInfo) -> str | None:
    if item.given is None:
        return None
    return wording(
        "answer.given",
        answer=wording(f"answer.{item.given.answer.value}"),
        moment=wording.moment(item.given.at, zone),
    )
