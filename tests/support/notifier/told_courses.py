"""Makes the inbox item of a course of marks, with the episode that the fold opens and its facts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from schemas.components import Component
from schemas.events import Change, EpisodeChanged
from schemas.ids import InstrumentId, SessionId
from schemas.instruments.scoring import from_units
from schemas.rating_order import SessionOrder
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import fold_episodes
from services.detector.domain.fall import usual_level
from services.detector.domain.session_risk import ComponentMark, SessionRisk
from services.notifier.inbox.items import InboxItem
from tests.support.notifier.item_stories import FIRST, SCALE, WEEK, Form, told

THRESHOLD = 0.5
LOW_RISK = 0.1
_PARTS = (Component.BOND, Component.GOAL, Component.TASK)
_CHANGES = {
    "opened": Change.OPENED,
    "deepened": Change.DEEPENED,
    "open": Change.CONTINUED,
    "repaired": Change.REPAIRED,
    "settled": Change.SETTLED,
}


def item_of(forms: Sequence[Form], risks: Mapping[int, float]) -> InboxItem:
    """Return the item of the only episode of weekly sessions.

    Args:
        forms: marks of bond, goal and task; None for a session without a form.
        risks: those of sessions, counted from 0, whose risk is not `LOW_RISK`; the threshold is `THRESHOLD`.

    Raises:
        ValueError: no episode opens, or more than one does.
    """
    _, steps = fold_episodes(NO_SESSIONS, list(_sessions(forms, risks)))
    kinds = [step.step for step in steps]
    if kinds.count("opened") != 1:
        raise ValueError(f"one episode opens in such a course, not {kinds.count('opened')}")
    begun = kinds.index("opened")
    history: list[EpisodeChanged] = [
        told(tuple(forms[: number + 1]), _CHANGES[kind], number - begun + 1, opened=begun + 1)
        for number, kind in enumerate(kinds)
        if kind
    ]
    shown = next(one for one in reversed(history) if one.change in {Change.OPENED, Change.DEEPENED})
    state = next(one.change for one in reversed(history) if one.change is not Change.CONTINUED)
    at = history[-1].session_at + timedelta(hours=1)
    return InboxItem(shown.episode_id, state, at, shown, None, 1, tuple(history))


def _sessions(forms: Sequence[Form], risks: Mapping[int, float]) -> Iterator[SessionRisk]:
    before: dict[Component, list[float]] = {part: [] for part in _PARTS}
    ratings = 0
    for number, form in enumerate(forms):
        order = SessionOrder(FIRST + WEEK * number, SessionId(f"s-{number}"), InstrumentId(SCALE.id))
        risk = risks.get(number, LOW_RISK)
        if form is None:
            yield SessionRisk(order, risk, THRESHOLD, may_flag=True, level=None, ratings=ratings)
            continue
        ratings += 1
        shares = {part: from_units(SCALE, mark) for part, mark in zip(_PARTS, form, strict=True)}
        usual = {part: usual_level(before[part]) for part in _PARTS}
        marks = tuple(
            ComponentMark(part, share, own.level if (own := usual[part]) else None)
            for part, share in shares.items()
        )
        level = sum(shares.values()) / len(shares)
        yield SessionRisk(order, risk, THRESHOLD, True, level, ratings, marks, Component.BOND)
        for part, share in shares.items():
            before[part].append(share)
