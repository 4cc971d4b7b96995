"""Builds the published form of an assessment: in the units of its instrument, rounded to 6 decimals."""

from collections.abc import Mapping, Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from schemas.events import Component
from schemas.ids import Dyad, RatingIdentity
from schemas.instruments.instrument import Instrument
from services.detector.contracts import Assessed, Finding, InUnits, Numbers
from services.detector.domain.assessment import DIGITS, ComponentFinding
from services.detector.domain.episodes import EARLY_RATINGS


def published_assessment(who: Dyad, identity: RatingIdentity, revision: int, numbers: Numbers) -> Assessed:
    """Return the data of an `AllianceAssessed` event from what is stored of the assessment."""
    is_withdrawn = numbers.risk is None
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
        early=numbers.ratings < EARLY_RATINGS and not is_withdrawn,
        threshold_version=numbers.threshold_version,
        model_version=numbers.model_version,
        case_id=who.case_id,
        risk=numbers.risk,
        components={name: Finding(*values) for name, values in numbers.components.items()},
        leading_component=numbers.leading,
        threshold=numbers.threshold,
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
