"""A cohort and a detector in, what the whole path says of it out: risks, flags and episodes per session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import Cohort
from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.assessment import Assessment
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.episodes import NO_SESSIONS, EpisodeStep, fold_episodes, session_risk
from services.detector.domain.form import FORM_COLUMNS, Form

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BEGAN = datetime(2020, 1, 6, 10, tzinfo=UTC)
_WEEK = timedelta(days=7)
_AT = {name: place for place, name in enumerate(FORM_COLUMNS)}


@dataclass(frozen=True, slots=True)
class Judged:
    """One dyad: its forms, what the model found, and what was decided, in the order of its sessions."""

    forms: Sequence[Form]
    found: Sequence[Assessment]
    seen: Sequence[EpisodeStep]


def session_name(client: int, session: int) -> str:
    """The id of a simulated session."""
    return f"{client}-{session:03d}"


def forms_of(cohort: Cohort, client: int) -> list[Form]:
    """A simulated client's forms, a week apart."""
    forms = []
    for t in np.nonzero(cohort.present[client])[0].tolist():
        row = cohort.forms[client, t].tolist()
        name = session_name(client, t)
        place = SessionOrder(_BEGAN + t * _WEEK, SessionId(name), InstrumentId(cohort.world.shape.name))
        declined = row[_AT["declined"]] > 0
        forms.append(
            Form(
                RatingId(name),
                place,
                Status.DECLINED if declined else Status.RATED,
                bond=row[0],
                goal=row[1],
                task=row[2],
                overall=row[3],
                answered=int(row[_AT["answered"]]),
                spread=row[_AT["spread"]],
                top=row[_AT["top"]],
                step=row[_AT["step"]],
            )
        )
    return forms


def judge(detector: Detector, histories: Sequence[Sequence[Form]]) -> list[Judged]:
    """The detector's own path over whole histories, at its default threshold."""
    results = detector.assess([DyadForms(None, forms) for forms in histories])
    judged = []
    for forms, result in zip(histories, results, strict=True):
        sessions = [
            session_risk(form.order, found, detector.threshold)
            for form, found in zip(forms, result.assessments, strict=True)
        ]
        _, seen = fold_episodes(NO_SESSIONS, sessions)
        judged.append(Judged(forms, result.assessments, seen))
    return judged


@dataclass(frozen=True, slots=True)
class JudgedCohort:
    """What the path says of a cohort, all (n, t); False or NaN where no session took place."""

    risk: Floats
    flagged: Bools
    opened: Bools
    judged: Sequence[Judged]


def judge_cohort(detector: Detector, cohort: Cohort) -> JudgedCohort:
    """Every session of a cohort."""
    n, sessions = cohort.present.shape
    judged = judge(detector, [forms_of(cohort, client) for client in range(n)])
    risk = np.full((n, sessions), np.nan)
    flagged, opened = np.zeros((n, sessions), dtype=np.bool_), np.zeros((n, sessions), dtype=np.bool_)
    for client, one in enumerate(judged):
        times = np.nonzero(cohort.present[client])[0]
        risk[client, times] = [found.risk for found in one.found]
        flagged[client, times] = [seen.flagged for seen in one.seen]
        opened[client, times] = [seen.step == "opened" for seen in one.seen]
    return JudgedCohort(risk, flagged, opened, judged)
