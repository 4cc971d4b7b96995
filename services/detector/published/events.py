"""Makes the data of `AllianceAssessed` and `EpisodeChanged`, with marks in the instrument's units.

`EpisodeChanged` is self-contained: it holds the facts and the dyad's newest sessions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan

import numpy as np
from msgspec.structs import astuple, replace
from numpy.typing import NDArray

from schemas.components import Component
from schemas.events import Change
from schemas.ids import Dyad, RatingIdentity
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import from_units, to_units
from schemas.rating_order import SessionOrder
from services.detector.contracts import (
    Assessed,
    Changed,
    Finding,
    InUnits,
    Numbers,
    Point,
    StatedComponent,
    StatedFacts,
    StatedPrecision,
    pack,
    unpack_numbers,
)
from services.detector.domain.assessment import DIGITS, Assessment, ComponentFinding
from services.detector.domain.dated_rows import PracticeStatistics, Threshold
from services.detector.domain.dyad_work import DyadWork, RatingVersion, SessionWork
from services.detector.domain.episode_changes import EpisodeChange
from services.detector.domain.form import instrument_of_stored
from services.detector.domain.message_precision import TOLD, stated_precision
from services.detector.domain.practice import Practice
from services.detector.domain.session_risk import EARLY_RATINGS
from services.detector.published.facts import SessionMarks, find_facts

TRAJECTORY_POINTS = 30


def published_assessment(who: Dyad, identity: RatingIdentity, revision: int, numbers: Numbers) -> Assessed:
    """Return the data of `AllianceAssessed`, from what is stored of the assessment."""
    return Assessed(
        rating_id=numbers.rating_id,
        practice_id=who.practice_id,
        therapist_id=who.therapist_id,
        client_id=who.client_id,
        session_id=identity.session_id,
        session_at=numbers.session_at,
        instrument=identity.instrument,
        status=numbers.status,
        revision=revision,
        ratings=numbers.ratings,
        early=numbers.ratings < EARLY_RATINGS and numbers.risk is not None,
        threshold_version=numbers.threshold_version,
        model_version=numbers.model_version,
        case_id=who.case_id,
        risk=numbers.risk,
        components={name: Finding(*values) for name, values in numbers.components.items()},
        leading_component=numbers.leading,
        threshold=numbers.threshold,
        statistics_version=numbers.statistics_version,
    )


def rated_numbers(
    version: RatingVersion,
    assessment: Assessment,
    threshold: Threshold,
    components: InUnits,
    model_version: str,
    *,
    statistics: PracticeStatistics | None = None,
) -> Numbers:
    """Return what is stored and published of an assessed session; `components` are in instrument units."""
    return Numbers(
        rating_id=version.rating.rating_id,
        session_at=version.order.session_at,
        status=version.rating.status,
        threshold_version=threshold.version,
        model_version=model_version,
        ratings=assessment.ratings,
        risk=assessment.risk,
        threshold=threshold.value,
        leading=assessment.leading,
        movement=assessment.movement,
        components=components,
        statistics_version=None if statistics is None else statistics.version,
    )


def pack_numbers(numbers: Numbers) -> bytes:
    """Return the bytes that are stored of an assessment.

    Without a version of statistics they are those stored before there were any, so that an assessment that
    stays the same is not published again.
    """
    fields = astuple(numbers)
    return pack(fields[:-1] if numbers.statistics_version is None else fields)


def numbers_without_risk(version: RatingVersion, practice: Practice) -> Numbers:
    """Return what is stored and published of a session that was withdrawn or cancelled."""
    return Numbers(
        rating_id=version.rating.rating_id,
        session_at=version.order.session_at,
        status=version.rating.status,
        threshold_version=practice.default.version,
        model_version=practice.model.version,
    )


def components_in_units(
    sessions: Sequence[tuple[Mapping[Component, ComponentFinding], Instrument]],
) -> list[InUnits]:
    """Convert the components of each session from 0 to 1 into the units of the session's instrument.

    All sessions are converted in one array, which takes half the time of converting them one by one.
    """
    counts = [len(findings) for findings, _ in sessions]
    lowest = np.repeat([instrument.lowest for _, instrument in sessions], counts)
    highest = np.repeat([instrument.highest for _, instrument in sessions], counts)
    shares = np.array([(one.score, one.baseline) for findings, _ in sessions for one in findings.values()])
    shares = shares.reshape(-1, 2)
    marks = np.round(lowest[:, None] + shares * (highest - lowest)[:, None], DIGITS)
    changes = np.round(marks[:, 0] - marks[:, 1], DIGITS)
    rows = zip(_or_none(marks[:, 0]), _or_none(marks[:, 1]), _or_none(changes), strict=True)
    return [{name: (one.risk, *next(rows)) for name, one in findings.items()} for findings, _ in sessions]


def _or_none(column: NDArray[np.float64]) -> list[float | None]:
    return [None if isnan(number) else number for number in column.tolist()]


@dataclass(frozen=True, slots=True)
class PublishedSession:
    """One session of a dyad as it was published."""

    order: SessionOrder
    flagged: bool
    numbers: Numbers
    next_session_at: datetime | None
    accepted_at: datetime


def published_session(session: SessionWork) -> PublishedSession:
    """Return a session of this batch as it was published."""
    version = session.version
    flagged = session.episode_step is not None and session.episode_step.flagged
    next_at = version.rating.next_session_at
    return PublishedSession(
        version.order, flagged, unpack_numbers(session.numbers), next_at, version.accepted_at
    )


def episode_changed(
    dyad: DyadWork,
    told: EpisodeChange,
    history: Sequence[PublishedSession],
    now: datetime,
    catalogue: Catalogue,
) -> Changed:
    """Return the event's data; `history` holds the dyad's published sessions in order."""
    shown = next((session for session in history if session.order == told.order), None)
    numbers = shown.numbers if shown else None
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
    return SessionMarks(
        session.order.session_at,
        {
            name: round(from_units(instrument, score), DIGITS)
            for name, (_, score, _, _) in session.numbers.components.items()
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
        return replace(
            part,
            mark=mark(part.mark),
            usual=mark(part.usual),
            usual_low=mark(part.usual_low),
            usual_high=mark(part.usual_high),
            lasting=mark(part.lasting),
            first=mark(part.first),
        )

    return replace(
        facts,
        components=tuple(map(stated, facts.components)),
        slide=tuple(to_units(instrument, each) for each in facts.slide),
        began=tuple(to_units(instrument, each) for each in facts.began),
        decimals=instrument.decimals,
    )


def _point(session: PublishedSession, catalogue: Catalogue) -> Point:
    instrument = instrument_of_stored(session.order.instrument, catalogue)
    found = session.numbers.components.values()
    usuals = [from_units(instrument, usual) for _, _, usual, _ in found if usual is not None]
    marks = _marks(session, catalogue).marks
    return Point(
        session_at=session.order.session_at,
        bond=marks.get(Component.BOND),
        goal=marks.get(Component.GOAL),
        task=marks.get(Component.TASK),
        overall=marks.get(Component.OVERALL),
        usual=round(sum(usuals) / len(usuals), DIGITS) if usuals else None,
        flagged=session.flagged,
    )
