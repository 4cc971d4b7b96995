"""An item in, the sentences of its page out. Pure: the same item reads the same, whoever renders it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from schemas.events import Answer, Change, Component, ComponentAssessment, EpisodeChanged
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
    """One component in instrument units, as text."""

    name: str
    score: str
    usual: str
    change: str
    leading: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """What the page shows, each a finished text."""

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
    """Of ten."""
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
    """An item in the list."""

    url: str
    text: str
    moved: str
    next_session: str | None
    state: str
    awaits_answer: bool


def reference(practice_id: str, client_id: str) -> str:
    """Six characters by which a therapist can tell clients apart without their id being shown."""
    return hashlib.sha256(f"reference\x1f{practice_id}\x1f{client_id}".encode()).hexdigest()[:6]


def line(item: InboxItem, therapist: Therapist, wording: Wording) -> ListEntryView:
    """The item as a line of the list."""
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
            reference=reference(change.practice_id, change.client_id),
        ),
        moved=moved,
        next_session=wording("list.next_session", moment=upcoming)
        if upcoming and item.awaits_answer
        else None,
        state=wording(f"state.{item.state.value}"),
        awaits_answer=item.awaits_answer,
    )


def view(
    item: InboxItem,
    therapist: Therapist,
    practice: PracticeOptions | None,
    catalogue: Catalogue,
    wording: Wording,
) -> ItemView:
    """The item as a page."""
    change, zone = item.change, therapist.zone
    instrument = _instrument(catalogue, change.instrument)
    subject = topic(change.movement, change.leading_component)
    upcoming = _next_session(change, zone, wording)
    latest = next((one for one in reversed(item.history) if one.trajectory), change)
    shown_with = _instrument(catalogue, latest.instrument)
    template = practice.client_url_template if practice else None
    return ItemView(
        title=wording("item.title", moment=wording.moment(change.session_at, zone)),
        reference=wording("item.reference", reference=reference(change.practice_id, change.client_id)),
        client_url=template.replace("{client_id}", quote(change.client_id, safe="")) if template else None,
        next_session=wording("item.next_session", moment=upcoming) if upcoming else None,
        state=wording(f"state.{item.state.value}"),
        withdrawn=item.state is Change.WITHDRAWN,
        what=tuple(_what(change, wording, zone)),
        scale=_scale(instrument, wording),
        moved=tuple(_moved(change, wording)),
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
        ),
        given=_given(item, wording, zone),
        answers=tuple((one.value, wording(f"answer.{one.value}")) for one in ANSWERS),
    )


def _instrument(catalogue: Catalogue, instrument_id: str) -> Instrument | None:
    # A practice may use an instrument that only the detector was given: the page then does without its units.
    try:
        return catalogue.get(instrument_id)
    except InvalidInput:
        return None


def _next_session(change: EpisodeChanged, zone: ZoneInfo, wording: Wording) -> str | None:
    return wording.moment(change.next_session_at, zone) if change.next_session_at else None


def _what(change: EpisodeChanged, wording: Wording, zone: ZoneInfo) -> Iterator[str]:
    # An earlier episode may stand in the same history; only this one is meant.
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
    fallen = _fallen_most(change)
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


def _fallen_most(change: EpisodeChanged) -> tuple[Component, float, float] | None:
    """The component to speak of, its mark and its change: the leading one, or where it has no mark this time
    the one that fell most."""
    found = {
        one: (each.score, each.change)
        for one, each in change.components.items()
        if each.score is not None and each.change is not None
    }
    if not found:
        return None
    leading = change.leading_component
    spoken_of = leading if leading in found else min(found, key=lambda one: found[one][1])
    return (spoken_of, *found[spoken_of])


def _moved(change: EpisodeChanged, wording: Wording) -> Iterator[ComponentRow]:
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
