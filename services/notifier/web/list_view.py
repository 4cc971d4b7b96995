"""Turns inbox items into the finished texts of the list: by client, those with the next session first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.events import EpisodeChanged, TrajectoryPoint
from schemas.facts import ComponentFact, Standing
from schemas.wording.message_sentences import NAMED
from schemas.wording.wording import Wording
from services.notifier.domain.next_session import NextSession
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem
from services.notifier.inbox.usefulness import Outcomes
from services.notifier.web.small_line import SmallLine, small_line

FEWEST_MESSAGES = 5
"""Fewest messages from which on a therapist is shown what came of them: fewer say nothing."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One item: what its link says, its marks, and how it stands when it is not waiting."""

    url: str
    session: str
    marks: str
    line: SmallLine | None
    state: str | None


@dataclass(frozen=True, slots=True)
class ClientEntries:
    """The items of one client."""

    client: str
    next_session: str | None
    entries: tuple[ListEntry, ...]


def newest_by_client(items: Iterable[InboxItem]) -> dict[str, EpisodeChanged]:
    """Return the newest change of each client: what an older item of theirs says has been overtaken."""
    changes = sorted((item.newest for item in items), key=lambda one: (one.session_at, one.accepted_at))
    return {change.client_id: change for change in changes}


def client_groups(
    items: Iterable[InboxItem],
    upcoming: Mapping[str, NextSession | None],
    therapist: Therapist,
    wording: Wording,
    now: datetime,
    *,
    numbers: Mapping[str, int] | None = None,
) -> list[ClientEntries]:
    """Return the items grouped by client: first who comes next, then who came last.

    `upcoming` holds the next session of each client; a past one is not shown. `numbers` holds the running
    number of each client in a practice that hides its own references.
    """

    def of_client(item: InboxItem) -> str:
        return item.change.client_id

    groups = []
    for client, found in groupby(sorted(items, key=of_client), key=of_client):
        of_one = sorted(found, key=lambda item: item.newest.session_at, reverse=True)
        coming = upcoming.get(client)
        groups.append((coming if coming is not None and coming.at > now else None, of_one, client))
    groups.sort(
        key=lambda one: (
            one[0] is None,
            one[0].at.timestamp() if one[0] else -one[1][0].newest.session_at.timestamp(),
        )
    )
    return [
        ClientEntries(
            client=wording("list.client", client=client)
            if numbers is None
            else wording("item.title_number", number=numbers[client]),
            next_session=None if coming is None else _next_session(coming, therapist.zone, wording),
            entries=tuple(_entry(item, therapist.zone, wording) for item in of_one),
        )
        for coming, of_one, client in groups
    ]


def usefulness_sentence(outcomes: Outcomes, wording: Wording) -> str | None:
    """Return what came of the therapist's own messages; None while there are too few."""
    if outcomes.messages < FEWEST_MESSAGES:
        return None
    return wording(
        "list.usefulness",
        messages=outcomes.messages,
        talked_about=outcomes.talked_about,
        back=outcomes.back_at_usual,
    )


def _next_session(coming: NextSession, zone: ZoneInfo, wording: Wording) -> str:
    key = "list.next_expected" if coming.expected else "list.next_session"
    return wording(key, moment=wording.moment(coming.at, zone))


def _entry(item: InboxItem, zone: ZoneInfo, wording: Wording) -> ListEntry:
    named = _named(item.change)
    return ListEntry(
        url=f"/items/{item.episode_id}",
        session=wording("list.line", moment=wording.moment(item.newest.session_at, zone)),
        marks="" if item.is_withdrawn else "; ".join(_marks(item, named, zone, wording)),
        line=None if item.is_withdrawn else small_line(_course(item.newest.trajectory, named), wording),
        state=None if item.awaits_answer else wording(f"state.{item.state.value}"),
    )


def _named(change: EpisodeChanged) -> list[Component]:
    """Return the components that the item is about."""
    if change.facts is not None:
        return [one.component for one in change.facts.components if one.standing in NAMED]
    return [change.leading_component] if change.leading_component else []


def _marks(item: InboxItem, named: Sequence[Component], zone: ZoneInfo, wording: Wording) -> Iterator[str]:
    """Yield the newest mark of each component that the item is about, and the sessions without a form."""
    facts = item.newest.facts or item.change.facts
    found = {one.component: one for one in facts.components} if facts else _assessed(item.newest)
    wording = wording.with_decimals(facts.decimals if facts else 1)
    for component in named:
        one = found.get(component)
        if one is not None and one.mark is not None:
            yield wording(
                "list.mark" if one.usual is None else "list.mark_usual",
                component=wording(f"component.{component.value}"),
                mark=wording.number(one.mark),
                usual="" if one.usual is None else wording.number(one.usual),
            )
    if facts is not None and facts.empty is not None:
        day = wording.day(facts.empty.last_at, zone)
        yield wording("list.no_form", day=day, count=facts.empty.count, of=facts.empty.of)


def _assessed(change: EpisodeChanged) -> dict[Component, ComponentFact]:
    """Return what a producer without facts states."""
    return {
        one: ComponentFact(component=one, standing=Standing.UNKNOWN, mark=values.score, usual=values.usual)
        for one, values in change.components.items()
    }


def _course(points: Sequence[TrajectoryPoint], named: Sequence[Component]) -> list[float | None]:
    """Return the marks of the component that the item is about first, or the mean of all."""
    wanted = named[:1] or list(Component)
    course = []
    for point in points:
        marks = [mark for one in wanted if (mark := getattr(point, one.value)) is not None]
        course.append(sum(marks) / len(marks) if marks else None)
    return course
