"""Timelines for tests of decide and emit: weekly sessions, each a risk and maybe a level."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.ids import DyadId, InstrumentId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.episode_changes import (
    AlertWindow,
    Decision,
    EmittedEpisode,
    EpisodeChange,
    compute_changes,
)
from services.detector.domain.episodes import (
    NO_SESSIONS,
    EpisodeState,
    EpisodeStep,
    SessionRisk,
    fold_episodes,
)

DYAD = DyadId(UUID(int=7))
BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)
THRESHOLD = 0.5
NORMAL = 0.7


def place(week: float) -> SessionOrder:
    """The session of a week."""
    return SessionOrder(BEGAN + timedelta(weeks=week), SessionId(f"s{week}"), InstrumentId("srs"))


def session(week: float, risk: float, *, level: float | None = NORMAL, may_flag: bool = True) -> SessionRisk:
    """One session; `level` None: the client gave no form."""
    return SessionRisk(place(week), risk, THRESHOLD, may_flag, level)


def steps(*sessions: SessionRisk) -> list[str]:
    """What each session did."""
    return [seen.step for seen in folded(*sessions)[1]]


def folded(*sessions: SessionRisk) -> tuple[EpisodeState, list[EpisodeStep]]:
    """The fold of a whole history."""
    return fold_episodes(NO_SESSIONS, sessions)


ALWAYS = AlertWindow(None, None, BEGAN + timedelta(weeks=20))


def told(
    decision: Decision, telling: AlertWindow = ALWAYS
) -> tuple[list[EpisodeChange], tuple[EmittedEpisode, ...]]:
    """What is new, and what is emitted then."""
    return compute_changes(DYAD, decision, telling)


def said(changes: list[EpisodeChange]) -> list[tuple[str, str | None]]:
    """Changes in short: what, and why it is kept back."""
    return [(one.change.value, one.kept_back and one.kept_back.value) for one in changes]
