"""Makes changes of episodes as the detector publishes them, with canaries in private fields."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from schemas.components import Component
from schemas.envelope import EpisodeChangedEvent, HeartbeatEvent, encode, envelope_fields
from schemas.events import (
    Change,
    ComponentAssessment,
    EpisodeChanged,
    HeartbeatSent,
    KeptBack,
    Movement,
    TrajectoryPoint,
)
from schemas.facts import ComponentFact, Facts, Shape, Standing
from schemas.ids import ClientId, Dyad, EpisodeId, PracticeId, TherapistId, episode_event_id, record_key
from schemas.topics import EPISODE_CHANGED
from services.runtime.kafka.record import Record

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
_NAMES = UUID("5d0e7a52-62a0-4b7f-a1f5-6a3f2a7c9d10")


def episode_named(name: str) -> EpisodeId:
    """Return a stable episode id for a test."""
    return EpisodeId(uuid5(_NAMES, name))


def trajectory(sessions: int = 9, last: datetime = NOW) -> tuple[TrajectoryPoint, ...]:
    """Return weekly sessions that go well, one without a form, and two at the end in which goals fall."""
    points = []
    for index in range(sessions):
        fell = index >= sessions - 2
        if index == 3:
            points.append(TrajectoryPoint(session_at=last - WEEK * (sessions - 1 - index), usual=0.86))
            continue
        swing = (0.02, -0.01, 0.015, 0.0, -0.02)[index % 5]
        points.append(
            TrajectoryPoint(
                session_at=last - WEEK * (sessions - 1 - index),
                bond=round(0.9 + swing, 3) - (0.06 if fell else 0),
                goal=round(0.86 - swing, 3) - (0.33 + 0.043 * (index - sessions + 2) if fell else 0),
                task=round(0.84 + swing / 2, 3) - (0.12 if fell else 0),
                overall=round(0.88 + swing / 3, 3) - (0.15 if fell else 0),
                usual=0.86,
                flagged=fell,
            )
        )
    return tuple(points)


def facts_of_a_step(last: datetime = NOW, forms: int = 8) -> Facts:
    """Return what the marks of `trajectory` show: goals fell at the session before the last."""
    return Facts(
        shape=Shape.STEP,
        components=(
            _component(Component.GOAL, Standing.FELL, 4.87, (8.61, 8.4, 8.8)),
            _component(Component.BOND, Standing.HELD, 8.4, (9.0, 8.4, 9.2)),
            _component(Component.TASK, Standing.SOMEWHAT_LOWER, 7.2, (8.4, 8.3, 8.6)),
            _component(Component.OVERALL, Standing.SOMEWHAT_LOWER, 7.3, (8.8, 8.7, 8.9)),
        ),
        form_at=last,
        since=last - WEEK,
        forms=forms,
    )


def _component(
    component: Component, standing: Standing, mark: float, usual: tuple[float, float, float]
) -> ComponentFact:
    level, low, high = usual
    return ComponentFact(
        component=component, standing=standing, mark=mark, usual=level, usual_low=low, usual_high=high
    )


def changed(
    change: Change = Change.OPENED,
    revision: int = 1,
    *,
    episode: str = "one",
    practice: str = "north",
    therapist: str = "t-1",
    client: str = "c-canary-77",
    kept_back: KeptBack | None = None,
    session: str = "s-9",
    session_at: datetime = NOW - timedelta(hours=2),
    movement: Movement | None = Movement.SUDDEN_FALL,
    leading: Component = Component.GOAL,
    ratings: int = 8,
    **more: object,
) -> EpisodeChanged:
    """Return a change of an episode as the detector publishes it."""
    values: dict[str, Any] = {
        "episode_id": episode_named(episode),
        "revision": revision,
        "change": change,
        "kept_back": kept_back,
        "practice_id": practice,
        "therapist_id": therapist,
        "client_id": client,
        "session_id": session,
        "session_at": session_at,
        "opened_at": session_at - WEEK,
        "next_session_at": session_at + WEEK,
        "instrument": "srs",
        "risk": 0.7134,
        "components": {
            Component.BOND: ComponentAssessment(risk=0.05, score=8.4, usual=9.0, change=-0.6),
            Component.GOAL: ComponentAssessment(risk=0.52, score=4.87, usual=8.61, change=-3.74),
            Component.TASK: ComponentAssessment(risk=0.1, score=7.2, usual=8.4, change=-1.2),
            Component.OVERALL: ComponentAssessment(risk=0.04, score=7.3, usual=8.8, change=-1.5),
        },
        "leading_component": leading,
        "movement": movement,
        "ratings": ratings,
        "trajectory": trajectory(last=session_at),
        "facts": facts_of_a_step(session_at, ratings),
        "model_version": "toy",
        "accepted_at": session_at + timedelta(hours=1),
    }
    return EpisodeChanged(**{**values, **more})


def key_of(change: EpisodeChanged) -> bytes:
    """Return the key under which the detector publishes the change."""
    dyad = Dyad(PracticeId(change.practice_id), TherapistId(change.therapist_id), ClientId(change.client_id))
    return record_key(b"test", dyad)


def record_of(change: EpisodeChanged | HeartbeatSent, offset: int = 0, partition: int = 3) -> Record:
    """Return the change or heartbeat as a record of the topic."""
    if isinstance(change, EpisodeChanged):
        key = key_of(change)
        event_id = episode_event_id(EpisodeId(change.episode_id), change.revision)
        fields = envelope_fields(event_id, "detector", change.accepted_at, key)
        value = encode(EpisodeChangedEvent.model_validate({**fields, "data": change}))
    else:
        key = b"heartbeat"
        fields = envelope_fields("beat", "detector", change.sent_at, key)
        value = encode(HeartbeatEvent.model_validate({**fields, "data": change}))
    return Record(EPISODE_CHANGED.name, partition, offset, 0, key, value)
