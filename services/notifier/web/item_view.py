"""Turns an inbox item into the finished texts of its page; pure, so that it can be tested without a page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.events import Answer, Change, EpisodeChanged
from schemas.facts import ComponentFact, Facts, Shape, Standing
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.message_precision import MessagePrecision
from schemas.picture.trajectory import DrawnTrajectory, TrajectoryPicture, draw
from schemas.validation_errors import InvalidInput
from schemas.wording.guidance.guidance import Guidance, GuidanceEntry, topic_of
from schemas.wording.message_sentences import (
    NAMED,
    fact_sentences,
    later_sentence,
    precision_basis,
    precision_sentence,
    repaired_sentences,
    settled_sentences,
)
from schemas.wording.wording import Wording
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.next_session import NextSession
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import GivenAnswer, InboxItem

ANSWERS = (Answer.DISCUSSED, Answer.WILL_DISCUSS, Answer.NOT_RELEVANT, Answer.OUTSIDE_EVENT)
OPEN_STATES = {Change.OPENED, Change.DEEPENED, Change.ACKNOWLEDGED}
"""In the other states an item is closed: its page asks nothing and names no next session."""
_NOT_LISTED = frozenset({Change.CONTINUED, Change.ACKNOWLEDGED})
"""Later sessions are in the picture, and an answer is listed as what the therapist did."""


@dataclass(frozen=True, slots=True)
class ComponentRow:
    """One component's mark in the last form against this client's usual, as text in instrument units."""

    name: str
    mark: str
    usual: str
    difference: str
    named: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """The finished texts of an item's page."""

    title: str
    session: str
    client_url: str | None
    next_session: str | None
    state: str
    closed: bool
    withdrawn: bool
    lead: tuple[str, ...]
    """What fell, what held and what rose."""
    later: tuple[str, ...]
    """How it went on, up to the newest session."""
    picture: TrajectoryPicture | None
    guidance: GuidanceEntry | None
    """None on a closed item."""
    thanks: str | None
    components: tuple[ComponentRow, ...]
    sure: tuple[str, ...]
    unknown: tuple[str, ...]
    history: tuple[tuple[str, str], ...]
    given: str | None
    answers: tuple[tuple[str, str], ...]
    numbered: bool
    """Whether the client is named by a running number, and the reference is hidden."""


@dataclass(frozen=True, slots=True)
class ItemSurroundings:
    """What an item's page rests on beside the item itself."""

    catalogue: Catalogue
    guidance: Guidance
    practice: PracticeOptions | None
    now: datetime
    next_session: NextSession | None = None
    client_number: int | None = None
    """The client's running number in a practice that hides its own references; None where they are shown."""


def item_view(item: InboxItem, therapist: Therapist, around: ItemSurroundings, wording: Wording) -> ItemView:
    """Return the texts of an item's page."""
    change, zone = item.change, therapist.zone
    newest = item.history[-1] if item.history else change
    drawn = next((one for one in reversed(item.history) if one.trajectory), change)
    closed = item.state not in OPEN_STATES
    number = around.client_number
    template = around.practice.client_url_template if around.practice and number is None else None
    session = wording("item.session", moment=wording.moment(change.session_at, zone))
    topic, shape = topic_of(change.facts)
    facts = change.facts
    return ItemView(
        title=wording("item.title", reference=change.client_id)
        if number is None
        else wording("item.title_number", number=number),
        session=session,
        client_url=template.replace("{client_id}", quote(change.client_id, safe="")) if template else None,
        next_session=None if closed else _next_session(around, zone, wording),
        state=wording(f"state.{item.state.value}"),
        closed=closed,
        withdrawn=item.state is Change.WITHDRAWN,
        lead=tuple(_lead(change, wording, zone)),
        later=tuple(_later(item, newest, around.catalogue, wording, zone)),
        picture=draw(
            DrawnTrajectory(
                drawn.trajectory, change.session_at, facts, _instrument(around.catalogue, drawn.instrument)
            ),
            wording,
            zone,
        ),
        guidance=None if closed else around.guidance.entry(wording, topic, shape, change.practice_id),
        thanks=wording("item.thanks") if not closed and _has_low_marks(facts) else None,
        components=tuple(_component_rows(change, wording)),
        sure=tuple(_sure(change.precision, wording)),
        unknown=tuple(_unknown(facts, wording)),
        history=_history_lines(item, zone, wording),
        given=_given(item, wording, zone),
        answers=() if closed else tuple((one.value, wording(f"answer.{one.value}")) for one in ANSWERS),
        numbered=number is not None,
    )


def _instrument(catalogue: Catalogue, instrument_id: str) -> Instrument | None:
    # The detector may know an instrument that the notifier does not: the page then shows no units.
    try:
        return catalogue.get(instrument_id)
    except InvalidInput:
        return None


def _next_session(around: ItemSurroundings, zone: ZoneInfo, wording: Wording) -> str | None:
    """Return when the next session is; None when it has passed, or is not known."""
    upcoming = around.next_session
    if upcoming is None or upcoming.at <= around.now:
        return None
    key = "item.next_session_expected" if upcoming.expected else "item.next_session"
    return wording(key, moment=wording.moment(upcoming.at, zone))


def _lead(change: EpisodeChanged, wording: Wording, zone: ZoneInfo) -> Iterator[str]:
    if change.facts is None:
        yield wording("fact.no_facts", session=wording.day(change.session_at, zone))
    else:
        yield from fact_sentences(change.facts, wording, zone)
    if change.change is Change.DEEPENED:
        yield wording("fact.deepened")


def _later(
    item: InboxItem, newest: EpisodeChanged, catalogue: Catalogue, wording: Wording, zone: ZoneInfo
) -> Iterator[str]:
    told = item.change.facts
    after = [one.facts for one in item.history if one.revision > item.change.revision and one.facts]
    if item.state is Change.REPAIRED:
        scale = _instrument(catalogue, newest.instrument)
        yield from repaired_sentences(told, newest.facts, scale, wording, zone)
    elif item.state is Change.SETTLED:
        yield from settled_sentences(told, newest.facts, wording, zone)
    elif told is not None and (sentence := later_sentence(told, after, wording, zone)):
        yield sentence
    if item.state in {Change.UNREPAIRED, Change.ENDED}:
        yield wording(f"history.{item.state.value}")


def _component_rows(change: EpisodeChanged, wording: Wording) -> Iterator[ComponentRow]:
    facts = {one.component: one for one in (change.facts.components if change.facts else ())}
    wording = wording.with_decimals(change.facts.decimals if change.facts else 1)
    for component in Component:
        one = facts.get(component) if change.facts else _assessed(change, component)
        if one is not None:
            yield ComponentRow(
                name=wording(f"component.{component.value}"),
                mark=wording("chart.no_mark") if one.mark is None else wording.number(one.mark),
                usual=wording("item.not_known") if one.usual is None else wording.number(one.usual),
                difference=""
                if one.mark is None or one.usual is None
                else wording.difference(one.mark, one.usual),
                named=one.standing in NAMED,
            )


def _assessed(change: EpisodeChanged, component: Component) -> ComponentFact | None:
    """Return what a producer without facts states about a component."""
    found = change.components.get(component)
    if found is None or (found.score is None and found.usual is None):
        return None
    return ComponentFact(component=component, standing=Standing.UNKNOWN, mark=found.score, usual=found.usual)


def _has_low_marks(facts: Facts | None) -> bool:
    return facts is not None and any(
        one.standing in NAMED and one.mark is not None for one in facts.components
    )


def _sure(precision: MessagePrecision | None, wording: Wording) -> Iterator[str]:
    if precision is not None:
        yield precision_sentence(precision, wording)
        yield precision_basis(precision, wording)


def _unknown(facts: Facts | None, wording: Wording) -> Iterator[str]:
    if facts is not None and facts.components and all(one.usual is None for one in facts.components):
        yield wording("unknown.early")
    yield wording("unknown.context")
    yield wording("unknown.no_form" if facts is not None and facts.shape is Shape.NO_FORM else "unknown.why")
    yield wording("unknown.judgement")


def _given(item: InboxItem, wording: Wording, zone: ZoneInfo) -> str | None:
    if item.given is None:
        return None
    return wording(
        "answer.given",
        answer=wording(f"answer.{item.given.answer.value}"),
        moment=wording.moment(item.given.at, zone),
    )


def _history_lines(item: InboxItem, zone: ZoneInfo, wording: Wording) -> tuple[tuple[str, str], ...]:
    """Return when and what, oldest first; what was stated again with a corrected picture stands once."""
    events: list[tuple[datetime, str]] = [
        (change.session_at, wording(f"history.{change.change.value}"))
        for change in item.history
        if change.change not in _NOT_LISTED
    ]
    events += [(given.at, _answered(given, wording)) for given in item.answers]
    return tuple(
        (wording.moment(at, zone), text) for at, text in sorted(dict.fromkeys(events), key=lambda one: one[0])
    )


def _answered(given: GivenAnswer, wording: Wording) -> str:
    if given.answer is Answer.UNDONE:
        return wording("history.undone")
    if given.topic is not None:
        return wording("history.talked_about", topic=wording(f"topic.{given.topic.value}"))
    return wording("history.answered", answer=wording(f"answer.{given.answer.value}"))
