"""Risks in, episodes out: a fold over a dyad's sessions in order; no clock, no database, no answers.

An episode opens at the first session whose risk reaches its threshold, and stays one episode however long it
lasts. It is repaired after `REPAIRED_SESSIONS` rated sessions in a row with a risk under `LOWER_SHARE` of
the threshold (hysteresis: a risk that swings around the threshold is one episode, not many). It deepens, at
most `MAX_DEEPENINGS` times, when a flagged form lies `DEEPER` below the form at which it opened or last
deepened. It ends for want of sessions after `SILENT_DAYS`: `unrepaired` when the last risk was not under the
lower bound, else `ended`.

Never flagged: a client with fewer than `EARLY_RATINGS` ratings, unless the marks themselves are very low
(their usual is not known yet), and high flat marks (nothing moved).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from math import isnan
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from schemas.rating_order import SessionOrder
from services.detector.domain.assessment import Assessment

LOWER_SHARE = 0.7
"""The lower bound, as a share of the threshold."""
REPAIRED_SESSIONS = 2
DEEPER = 0.15
"""Of the scale 0 to 1: 6 of the 40 points of the SRS, .6 of a mark from 1 to 5."""
MAX_DEEPENINGS = 2
SILENT_DAYS = 42
EARLY_RATINGS = 3
VERY_LOW = 0.4
"""A level of at most this is very low: 2.6 standard deviations under the mean client (.745, SD .13)."""
HIGH = 0.8
FLAT = 0.05
"""A form is flat when no component lies this much under what is usual: less than one mark of one item."""

StepKind = Literal["", "opened", "deepened", "open", "repaired"]


class EpisodeEnd(StrEnum):
    """How an episode closed."""

    REPAIRED = "repaired"
    UNREPAIRED = "unrepaired"
    ENDED = "ended"


class SessionRisk(NamedTuple):
    """One session as the fold sees it; what is stored of it is exactly this."""

    place: SessionOrder
    risk: float
    threshold: float
    may_flag: bool
    level: float | None
    """Mean mark, 0 to 1; None when no form was given."""


class Episode(Struct, frozen=True, array_like=True):
    """A stretch of sessions at which a rupture is taken to be under way."""

    opened: SessionOrder
    reference: float | None = None
    """The level at which it opened or last deepened; None until a form with marks was flagged."""
    deepened: tuple[SessionOrder, ...] = ()
    under: int = 0
    """Rated sessions in a row under the lower bound."""
    end: EpisodeEnd | None = None
    closed: SessionOrder | None = None


class EpisodeState(Struct, frozen=True, array_like=True):
    """The fold's state after the last session: small, and all that the next session needs."""

    episodes: tuple[Episode, ...] = ()
    last: SessionOrder | None = None
    flagged: bool = False
    """The last session is flagged."""
    over: bool = False
    """The last session's risk is not under the lower bound."""


NO_SESSIONS = EpisodeState()


@dataclass(frozen=True, slots=True)
class EpisodeStep:
    """What the fold says of one session: flagged or not, and what it did to which episode."""

    flagged: bool
    step: StepKind
    episode: int | None
    """Index into the fold's episodes; None when none is open here."""


NO_EPISODE_STEP = EpisodeStep(flagged=False, step="", episode=None)


def may_flag(found: Assessment) -> bool:
    """Whether a risk may be flagged at all at this session."""
    if found.ratings < EARLY_RATINGS:
        return found.level <= VERY_LOW  # a level that is NaN is not
    return not (found.level >= HIGH and _fall(found) < FLAT)


def _fall(found: Assessment) -> float:
    falls = [
        c.baseline - c.score
        for c in found.components.values()
        if not isnan(c.baseline) and not isnan(c.score)
    ]
    return max(falls, default=0.0)


def session_risk(place: SessionOrder, found: Assessment, threshold: float) -> SessionRisk:
    """An assessment as the fold sees it."""
    level = None if isnan(found.level) else found.level
    return SessionRisk(place, found.risk, threshold, may_flag(found), level)


def fold_episodes(
    state: EpisodeState, sessions: Sequence[SessionRisk]
) -> tuple[EpisodeState, list[EpisodeStep]]:
    """The state after these sessions, which follow its last one in order, and what each of them did."""
    seen = []
    for session in sessions:
        state, one = _step(state, session)
        seen.append(one)
    return state, seen


def _step(state: EpisodeState, s: SessionRisk) -> tuple[EpisodeState, EpisodeStep]:
    episodes = state.episodes
    flagged = s.may_flag and s.risk >= s.threshold
    over = s.risk >= LOWER_SHARE * s.threshold
    if episodes and episodes[-1].end is None and _silent(state, s.place.session_at.date()):
        episodes = (*episodes[:-1], _run_out(state))
    if not episodes or episodes[-1].end is not None:
        if not flagged:
            return EpisodeState(episodes, s.place, False, over), NO_EPISODE_STEP
        episodes = (*episodes, Episode(s.place, s.level))
        return EpisodeState(episodes, s.place, True, over), EpisodeStep(True, "opened", len(episodes) - 1)
    current, step = _go_on(episodes[-1], s, flagged, over)
    return (
        EpisodeState((*episodes[:-1], current), s.place, flagged, over),
        EpisodeStep(flagged, step, len(episodes) - 1),
    )


def _go_on(e: Episode, s: SessionRisk, flagged: bool, over: bool) -> tuple[Episode, StepKind]:  # noqa: FBT001 - two facts of one session
    if over:
        e = e if e.under == 0 else replace(e, under=0)
    elif s.level is not None:
        if e.under + 1 >= REPAIRED_SESSIONS:
            return replace(e, under=e.under + 1, end=EpisodeEnd.REPAIRED, closed=s.place), "repaired"
        e = replace(e, under=e.under + 1)
    if not flagged or s.level is None:
        return e, "open"
    if e.reference is None:
        return replace(e, reference=s.level), "open"
    # Rounded: .85 - .70 must be .15 on every machine.
    if round(e.reference - s.level, 6) >= DEEPER and len(e.deepened) < MAX_DEEPENINGS:
        return replace(e, reference=s.level, deepened=(*e.deepened, s.place)), "deepened"
    return e, "open"


def _silent(state: EpisodeState, on: date) -> bool:
    last = state.last
    return last is not None and on - last.session_at.date() > timedelta(days=SILENT_DAYS)


def _run_out(state: EpisodeState) -> Episode:
    end = EpisodeEnd.UNREPAIRED if state.over else EpisodeEnd.ENDED
    return replace(state.episodes[-1], end=end, closed=state.last)


def as_of(state: EpisodeState, day: date | None) -> tuple[Episode, ...]:
    """The episodes as they stand on `day` (None: as after the last session).

    Only the view changes: a session that is rated later, and lies inside the silence, still goes on with the
    episode. So it does not matter whether the day or the rating came first.
    """
    episodes = state.episodes
    if day is not None and episodes and episodes[-1].end is None and _silent(state, day):
        return (*episodes[:-1], _run_out(state))
    return episodes
