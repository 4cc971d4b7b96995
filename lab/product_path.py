"""Runs the detector's own path over whole histories: assessments, flags and episodes per session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lab.practice_histories import PracticeHistories
from lab.simulator.cohort import Cohort
from lab.statistics_of_others import statistics_of_others
from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.assessment import Assessment
from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import EpisodeStep, fold_episodes
from services.detector.domain.form import FORM_COLUMNS, Form
from services.detector.domain.session_risk import session_risk

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FIRST_SESSION = datetime(2020, 1, 6, 10, tzinfo=UTC)
_WEEK = timedelta(days=7)
_COLUMN = {name: position for position, name in enumerate(FORM_COLUMNS)}


@dataclass(frozen=True, slots=True)
class AssessedDyad:
    """One dyad; the three sequences have one element per session, in the order of the sessions."""

    forms: Sequence[Form]
    assessments: Sequence[Assessment]
    decisions: Sequence[EpisodeStep]
    """Whether each session is flagged, and its step in an episode."""


def simulated_session_id(client: int, session: int) -> str:
    """Return the id of a simulated session.

    >>> simulated_session_id(3, 12)
    '3-012'
    """
    return f"{client}-{session:03d}"


def forms_of(cohort: Cohort, client: int) -> list[Form]:
    """Return the forms of a simulated client's sessions that took place, a week apart."""
    forms = []
    for t in np.nonzero(cohort.present[client])[0].tolist():
        row = cohort.forms[client, t].tolist()
        name = simulated_session_id(client, t)
        instrument = InstrumentId(cohort.world.instrument.id)
        declined = row[_COLUMN["declined"]] > 0
        forms.append(
            Form(
                RatingId(name),
                SessionOrder(_FIRST_SESSION + t * _WEEK, SessionId(name), instrument),
                Status.DECLINED if declined else Status.RATED,
                bond=row[0],
                goal=row[1],
                task=row[2],
                overall=row[3],
                answered=int(row[_COLUMN["answered"]]),
                spread=row[_COLUMN["spread"]],
                top=row[_COLUMN["top"]],
                step=row[_COLUMN["step"]],
            )
        )
    return forms


def assess_histories(
    detector: Detector,
    histories: Sequence[Sequence[Form]],
    statistics: Sequence[PracticeStatistics | None] = (),
) -> list[AssessedDyad]:
    """Assess whole histories and fold them into episodes at the detector's default threshold.

    Args:
        detector: the model.
        histories: the forms of each dyad, in order.
        statistics: of each dyad's practice, valid at all its sessions; empty: none are known. Only a model
            that reads them is given any.
    """
    known = statistics if statistics and detector.uses_statistics else [None] * len(histories)
    results = detector.assess(
        [
            DyadForms(None, forms, statistics=() if of_practice is None else [of_practice] * len(forms))
            for forms, of_practice in zip(histories, known, strict=True)
        ]
    )
    dyads = []
    for forms, result in zip(histories, results, strict=True):
        sessions = [
            session_risk(form.order, assessment, detector.threshold)
            for form, assessment in zip(forms, result.assessments, strict=True)
        ]
        _, decisions = fold_episodes(NO_SESSIONS, sessions)
        dyads.append(AssessedDyad(forms, result.assessments, decisions))
    return dyads


def assess_table(detector: Detector, histories: PracticeHistories) -> list[AssessedDyad]:
    """Assess a table's histories, each with the statistics of other clients of its practice."""
    courses = [dyad.forms for dyad in histories.dyads]
    practices = [dyad.practice_id for dyad in histories.dyads]
    return assess_histories(detector, courses, statistics_of_others(courses, practices))


@dataclass(frozen=True, slots=True)
class AssessedCohort:
    """Arrays of shape (n, t) over clients and sessions; False or NaN where no session took place."""

    risk: Floats
    flagged: Bools
    opened: Bools
    """An episode opens at this session."""
    dyads: Sequence[AssessedDyad]
    """One per client."""


def assess_cohort(detector: Detector, cohort: Cohort) -> AssessedCohort:
    """Assess every session of a simulated cohort, with the statistics of other clients of it."""
    n, sessions = cohort.present.shape
    histories = [forms_of(cohort, client) for client in range(n)]
    dyads = assess_histories(detector, histories, statistics_of_others(histories))
    risk = np.full((n, sessions), np.nan)
    flagged, opened = np.zeros((n, sessions), dtype=np.bool_), np.zeros((n, sessions), dtype=np.bool_)
    for client, dyad in enumerate(dyads):
        times = np.nonzero(cohort.present[client])[0]
        risk[client, times] = [assessment.risk for assessment in dyad.assessments]
        flagged[client, times] = [decision.flagged for decision in dyad.decisions]
        opened[client, times] = [decision.step == "opened" for decision in dyad.decisions]
    return AssessedCohort(risk, flagged, opened, dyads)
