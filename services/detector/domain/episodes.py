"""Folds a dyad's session risks, in order, into episodes; it reads no clock, no database and no responses.

An episode opens at the first session whose risk reaches its threshold, and stays one episode however long it
lasts. It is repaired after `REPAIRED_SESSIONS` rated sessions in a row with a risk below `LOWER_SHARE` of
the threshold (hysteresis: a risk that swings around the threshold makes one episode, not many). It deepens,
at most `MAX_DEEPENINGS` times, when a flagged form is `DEEPER` below the form at which the episode opened or
last deepened. It ends for want of sessions after `SILENT_DAYS`: as `unrepaired` if the last risk was not
below the lower bound, otherwise as `ended`.

Two kinds of session are never flagged: one of a client with fewer than `EARLY_RATINGS` ratings, unless the
marks themselves are very low (the client's baseline is not known yet), and one with high, flat marks (nothing
moved).
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
"""On the scale 0 to 1: 6 of the 40 points of the SRS, .6 of a mark from 1 to 5."""
MAX_DEEPENINGS = 2
SILENT_DAYS = 42
EARLY_RATINGS = 3
VERY_LOW = 0.4
"""A level of at most this is very low: 2.6 standard deviations below the mean client (.745, SD .13)."""
HIGH = 0.8
FLAT = 0.05
"""A form is flat when no component is this much below the baseline: less than one mark of one item."""

StepKind = Literal["", "opened", "deepened", "open", "repaired", "settled"]
"""What a session did to an episode; empty when none is open."""


class EpisodeEnd(StrEnum):
    """How an episode closed."""

    REPAIRED = "repaired"
    SETTLED = "settled"
    UNREPAIRED = "unrepaired"
    ENDED = "ended"


class SessionRisk(NamedTuple):
    """One session as the fold reads it; exactly this is stored of it."""

    order: SessionOrder
    risk: float
    threshold: float
    may_flag: bool
    level: float | None
    """Mean mark, 0 to 1; None when no form was given."""


class Episode(Struct, frozen=True, array_like=True):
    """A run of sessions during which a rupture is taken to be under way."""

    opened: SessionOrder
    reference: float | None = None
    """The level at which it opened or last deepened; None until a form with marks was flagged."""
    deepened: tuple[SessionOrder, ...] = ()
    under: int = 0
    """Rated sessions in a row below the lower bound."""
    end: EpisodeEnd | None = None
    closed: SessionOrder | None = None


class EpisodeState(Struct, frozen=True, array_like=True):
    """The fold's state after the last session: all that the next session needs."""

    episodes: tuple[Episode, ...] = ()
    last: SessionOrder | None = None
    flagged: bool = False
    """Whether the last session is flagged."""
    over: bool = False
    """Whether the last session's risk is at or above the lower bound."""


NO_SESSIONS = EpisodeState()


@dataclass(frozen=True, slots=True)
class EpisodeStep:
    """What the fold found for one session: whether it is flagged, and what it did to which episode."""

    flagged: bool
    step: StepKind
    episode: int | None
    """Index into the fold's episodes; None when none is open here."""


NO_EPISODE_STEP = EpisodeStep(flagged=False, step="", episode=None)


def may_flag(assessment: Assessment) -> bool:
    """Return whether the session of this assessment may be flagged, whatever its risk."""
    if assessment.ratings < EARLY_RATINGS:
        return assessment.level <= VERY_LOW  # False for a level that is NaN
    return not (assessment.level >= HIGH and _largest_drop(assessment) < FLAT)


def _largest_drop(assessment: Assessment) -> float:
    drops = [part.baseline - part.score for part in assessment.components.values()]
    return max((drop for drop in drops if not isnan(drop)), default=0.0)


def session_risk(order: SessionOrder, assessment: Assessment, threshold: float) -> SessionRisk:
    """Return what the fold needs of an assessed session."""
    level = None if isnan(assessment.level) else assessment.level
    return SessionRisk(order, assessment.risk, threshold, may_flag(assessment), level)


def fold_episodes(
    state: EpisodeState, sessions: Sequence[SessionRisk]
) -> tuple[EpisodeState, list[EpisodeStep]]:
    """Fold sessions, which follow the state's last one in order; return the new state and a step for each.

    >>> from datetime import UTC, datetime
    >>> order = SessionOrder(datetime(2026, 1, 5, tzinfo=UTC), "s1", "srs")
    >>> fold_episodes(NO_SESSIONS, [SessionRisk(order, 0.6, 0.5, True, 0.7)])[1][0].step
    'opened'
    """
    steps = []
    for session in sessions:
        state, step = _fold_session(state, session)
        steps.append(step)
    return state, steps


def _fold_session(state: EpisodeState, session: SessionRisk) -> tuple[EpisodeState, EpisodeStep]:
    episodes = state.episodes
    flagged = session.may_flag and session.risk >= session.threshold
    over = session.risk >= LOWER_SHARE * session.threshold
    if episodes and episodes[-1].end is None and _is_silent(state, session.order.session_at.date()):
        episodes = (*episodes[:-1], _closed_by_silence(state))
    if not episodes or episodes[-1].end is not None:
        if not flagged:
            return EpisodeState(episodes, session.order, False, over), NO_EPISODE_STEP
        episodes = (*episodes, Episode(session.order, session.level))
        opened = EpisodeStep(True, "opened", len(episodes) - 1)
        return EpisodeState(episodes, session.order, True, over), opened
    current, step = _continue(episodes[-1], session, flagged, over)
    return (
        EpisodeState((*episodes[:-1], current), session.order, flagged, over),
        EpisodeStep(flagged, step, len(episodes) - 1),
    )


def _continue(
    episode: Episode,
    session: SessionRisk,
    flagged: bool,  # noqa: FBT001 - two facts of one session
    over: bool,  # noqa: FBT001
) -> tuple[Episode, StepKind]:
    if over:
        episode = episode if episode.under == 0 else replace(episode, under=0)
    elif session.level is not None:
        under = episode.under + 1
        if under >= REPAIRED_SESSIONS:
            return replace(episode, under=under, end=EpisodeEnd.REPAIRED, closed=session.order), "repaired"
        episode = replace(episode, under=under)
    if not flagged or session.level is None:
        return episode, "open"
    if episode.reference is None:
        return replace(episode, reference=session.level), "open"
    # Rounded, so that .85 - .70 is .15 on every machine.
    deeper = round(episode.reference - session.level, 6) >= DEEPER
    if deeper and len(episode.deepened) < MAX_DEEPENINGS:
        deepened = (*episode.deepened, session.order)
        return replace(episode, reference=session.level, deepened=deepened), "deepened"
    return episode, "open"


def _is_silent(state: EpisodeState, day: date) -> bool:
    last = state.last
    return last is not None and day - last.session_at.date() > timedelta(days=SILENT_DAYS)


def _closed_by_silence(state: EpisodeState) -> Episode:
    end = EpisodeEnd.UNREPAIRED if state.over else EpisodeEnd.ENDED
    return replace(state.episodes[-1], end=end, closed=state.last)


def as_of(state: EpisodeState, day: date | None) -> tuple[Episode, ...]:
    """Return the episodes as of `day` (None: as of the last session).

    Only the view changes: a session that is rated later and falls within the silence still continues the
    episode, so it does not matter whether the day or the rating came first.
    """
    episodes = state.episodes
    if day is not None and episodes and episodes[-1].end is None and _is_silent(state, day):
        return (*episodes[:-1], _closed_by_silence(state))
    return episodes
