"""Makes what is published of an assessment: its numbers in instrument units, and the event's data."""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray

from schemas.components import Component
from schemas.ids import Dyad, RatingIdentity
from schemas.instruments.instrument import Instrument
from services.detector.contracts import Assessed, Finding, InUnits, Numbers, pack
from services.detector.domain.assessment import DIGITS, Assessment, ComponentFinding
from services.detector.domain.dated_rows import PracticeStatistics, Threshold
from services.detector.domain.dyad_work import RatingVersion
from services.detector.domain.practice import Practice
from services.detector.domain.session_risk import EARLY_RATINGS


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
