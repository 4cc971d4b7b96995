"""Makes timelines for tests of episodes: weekly sessions, each with a risk and perhaps a level."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from schemas.components import Component
from schemas.ids import DyadId, InstrumentId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.episode_changes import (
    Decision,
    EmittedEpisode,
    EpisodeChange,
    compute_changes,
)
from services.detector.domain.episode_state import NO_SESSIONS, EpisodeState
from services.detector.domain.episodes import EpisodeStep, fold_episodes
from services.detector.domain.practice import AlertWindow
from services.detector.domain.session_risk import ComponentMark, SessionRisk

DYAD = DyadId(UUID(int=7))
BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)
THRESHOLD = 0.5
NORMAL = 0.7


def order(week: float) -> SessionOrder:
    """Return the order of a week's session."""
    return SessionOrder(BEGAN + timedelta(weeks=week), SessionId(f"s{week}"), InstrumentId("srs"))


def session(week: float, risk: float, *, level: float | None = NORMAL, may_flag: bool = True) -> SessionRisk:
    """Return one session of which only the level is known; with `level` None the client gave no form."""
    return SessionRisk(order(week), risk, THRESHOLD, may_flag, level)


def form(
    week: int,
    risk: float,
    marks: Mapping[Component, float],
    *,
    usual: float | None = NORMAL,
    ratings: int = 9,
) -> SessionRisk:
    """Return a session with these marks, each with the same usual level; the lowest leads."""
    level = sum(marks.values()) / len(marks)
    found = tuple(ComponentMark(component, mark, usual) for component, mark in marks.items())
    leading = min(marks, key=marks.__getitem__)
    return SessionRisk(order(week), risk, THRESHOLD, True, level, ratings, found, leading)


def steps(*sessions: SessionRisk) -> list[str]:
    """Return what each session did to an episode."""
    return [each.step for each in folded(*sessions)[1]]


def folded(*sessions: SessionRisk) -> tuple[EpisodeState, list[EpisodeStep]]:
    """Return the fold of a whole history."""
    return fold_episodes(NO_SESSIONS, sessions)


ALWAYS = AlertWindow(None, None, BEGAN + timedelta(weeks=20))


def emit(
    decision: Decision, window: AlertWindow = ALWAYS, *, shown_changed: bool = False
) -> tuple[list[EpisodeChange], tuple[EmittedEpisode, ...]]:
    """Return the changes, and the episodes as emitted after them."""
    return compute_changes(DYAD, decision, window, shown_changed=shown_changed)


def in_short(changes: list[EpisodeChange]) -> list[tuple[str, str | None]]:
    """Return the kind of each change, and why it is kept back."""
    return [(each.change.value, each.kept_back and each.kept_back.value) for each in changes]
