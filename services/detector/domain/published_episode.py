"""Makes the data of `EpisodeChanged`: self-contained, with the trajectory of the dyad's newest sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.components import Component
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import from_units
from schemas.rating_order import SessionOrder
from services.detector.contracts import Changed, Finding, Point, unpack_numbers
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.episode_changes import EpisodeChange
from services.detector.domain.form import instrument_of_stored

TRAJECTORY_POINTS = 30


@dataclass(frozen=True, slots=True)
class PublishedSession:
    """One session of a dyad as it was published."""

    order: SessionOrder
    flagged: bool
    numbers: bytes
    """`contracts.Numbers`, packed."""
    next_session_at: datetime | None
    accepted_at: datetime


def published_session(session: SessionWork) -> PublishedSession:
    """Return a session of this batch as it was published."""
    version = session.version
    flagged = session.episode_step is not None and session.episode_step.flagged
    next_at = version.rating.next_session_at
    return PublishedSession(version.order, flagged, session.numbers, next_at, version.accepted_at)


def episode_changed(
    dyad: DyadWork,
    told: EpisodeChange,
    history: Sequence[PublishedSession],
    now: datetime,
    catalogue: Catalogue,
) -> Changed:
    """Return the event's data; `history` holds the dyad's published sessions in order."""
    shown = next((session for session in history if session.order == told.order), None)
    numbers = unpack_numbers(shown.numbers) if shown else None
    newest_at = history[-1].accepted_at if history else now
    return Changed(
        episode_id=told.after.episode_id,
        revision=told.after.revision,
        change=told.change,
        practice_id=dyad.who.practice_id,
        therapist_id=dyad.who.therapist_id,
        client_id=dyad.who.client_id,
        session_id=told.order.session_id,
        session_at=told.order.session_at,
        opened_at=told.after.episode.opened.session_at,
        instrument=told.order.instrument,
        ratings=numbers.ratings if numbers else 0,
        model_version=numbers.model_version if numbers else dyad.practice.model.version,
        accepted_at=dyad.caused_at or newest_at,
        kept_back=told.kept_back,
        case_id=dyad.who.case_id,
        next_session_at=shown.next_session_at if shown else None,
        risk=numbers.risk if numbers else None,
        components={n: Finding(*values) for n, values in numbers.components.items()} if numbers else {},
        leading_component=numbers.leading if numbers else None,
        movement=numbers.movement if numbers else None,
        trajectory=tuple(_point(session, catalogue) for session in history[-TRAJECTORY_POINTS:]),
    )


def _point(session: PublishedSession, catalogue: Catalogue) -> Point:
    instrument = instrument_of_stored(session.order.instrument, catalogue)
    scores: dict[Component, float] = {}
    usuals = []
    for name, (_, score, usual, _) in unpack_numbers(session.numbers).components.items():
        if score is not None:
            scores[name] = round(from_units(instrument, score), 6)
        if usual is not None:
            usuals.append(from_units(instrument, usual))
    return Point(
        session_at=session.order.session_at,
        bond=scores.get(Component.BOND),
        goal=scores.get(Component.GOAL),
        task=scores.get(Component.TASK),
        overall=scores.get(Component.OVERALL),
        usual=round(sum(usuals) / len(usuals), 6) if usuals else None,
        flagged=session.flagged,
    )
