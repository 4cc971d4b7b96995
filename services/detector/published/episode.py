"""Makes the data of `EpisodeChanged`: self-contained, with facts and the dyad's newest sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from schemas.components import Component
from schemas.events import Change
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import from_units, to_units
from schemas.rating_order import SessionOrder
from services.detector.contracts import (
    Changed,
    Finding,
    Point,
    StatedComponent,
    StatedFacts,
    StatedPrecision,
    unpack_numbers,
)
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.episode_changes import EpisodeChange
from services.detector.domain.form import instrument_of_stored
from services.detector.domain.message_precision import TOLD, stated_precision
from services.detector.domain.practice import Practice
from services.detector.published.facts import SessionMarks, find_facts

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
    facts = _facts(told, history, catalogue)
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
        opened_by=told.after.episode.opened_by,
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
        facts=facts,
        precision=_precision(dyad.practice, facts) if told.change in TOLD else None,
    )


def _facts(told: EpisodeChange, history: Sequence[PublishedSession], catalogue: Catalogue) -> StatedFacts:
    so_far = [session for session in history if session.order <= told.order]
    opened = sum(1 for session in so_far if session.order <= told.after.episode.opened)
    settled = told.change is Change.SETTLED
    facts = find_facts([_marks(session, catalogue) for session in so_far], opened, settled=settled)
    return facts_in_units(facts, instrument_of_stored(told.order.instrument, catalogue))


def _precision(practice: Practice, facts: StatedFacts) -> StatedPrecision | None:
    return stated_precision(facts, practice.answers, practice.model.message_precision)


def _marks(session: PublishedSession, catalogue: Catalogue) -> SessionMarks:
    instrument = instrument_of_stored(session.order.instrument, catalogue)
    components = unpack_numbers(session.numbers).components
    return SessionMarks(
        session.order.session_at,
        {
            name: from_units(instrument, score)
            for name, (_, score, _, _) in components.items()
            if score is not None
        },
    )


def facts_in_units(facts: StatedFacts, instrument: Instrument) -> StatedFacts:
    """Return facts whose marks are converted from 0 to 1 into the instrument's units, to 6 decimals.

    A reader subtracts what is shown: texts take the difference of rounded marks, not the rounded difference.
    """

    def mark(value: float | None) -> float | None:
        return None if value is None else to_units(instrument, value)

    def stated(part: StatedComponent) -> StatedComponent:
        marks = (
            mark(each) for each in (part.mark, part.usual, part.usual_low, part.usual_high, part.lasting)
        )
        return StatedComponent(part.component, part.standing, *marks)

    return replace(
        facts,
        components=tuple(map(stated, facts.components)),
        slide=tuple(to_units(instrument, each) for each in facts.slide),
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
