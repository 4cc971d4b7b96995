"""Holds the courses of one practice with their truth, and scores them with a detector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import assess_histories, forms_of
from lab.simulator.cohort import Cohort
from lab.statistics_of_others import statistics_of_others
from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.detector import Detector
from services.detector.domain.form import Form
from services.detector.domain.session_risk import may_flag

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CourseTruth:
    """What is known of n courses over at most t sessions; False where no session took place."""

    present: Bools
    """(n, t): the session took place."""
    rated: Bools
    """(n, t): the client gave a form."""
    rupture: Bools
    """(n, t): a rupture is under way."""
    client: NDArray[np.int64]
    """(n,) number of each course's client; courses of one client are resampled together."""

    @property
    def judged(self) -> Bools:
        """(n, t): rated sessions after the course's first rated one; before, nothing can be compared."""
        return self.rated & (np.cumsum(self.rated, axis=1) > 1)

    @property
    def judged_spans(self) -> NDArray[np.int64]:
        """(ruptures, 3): course, and the first two judged sessions of each rupture that has one.

        The two are the same where the rupture has only one judged session.
        """
        # Sessions without a form do not interrupt a rupture, so runs are found over all sessions.
        starts = self.rupture & ~np.pad(self.rupture[:, :-1], ((0, 0), (1, 0)))
        number = np.cumsum(starts.ravel()).reshape(starts.shape)
        course, session = np.nonzero(self.judged & self.rupture)
        order = number[course, session]
        _, first, count = np.unique(order, return_index=True, return_counts=True)
        second = first + np.minimum(count - 1, 1)
        return np.stack([course[first], session[first], session[second]], axis=1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class CourseGroup:
    """The courses of one practice."""

    kind: str
    """What the practice has in common with others whose figures are averaged with its own."""
    truth: CourseTruth
    histories: Sequence[Sequence[Form]]
    """The forms of each course's sessions that took place, in order."""
    statistics: Sequence[PracticeStatistics | None]
    """For each course those of other clients of the practice."""


@dataclass(frozen=True, slots=True)
class GroupScores:
    """What one detector says of a group's sessions, (n, t); NaN or False where none took place."""

    risk: Floats
    may_be_flagged: Bools
    """Whether the session would be flagged if its risk were high enough."""


def group_of(cohort: Cohort, kind: str) -> CourseGroup:
    """Return a simulated cohort as a group, one course per client."""
    clients = np.arange(cohort.present.shape[0])
    histories = [forms_of(cohort, client) for client in clients.tolist()]
    rated = cohort.present & ~cohort.declined
    truth = CourseTruth(cohort.present, rated, cohort.rupture & cohort.present, clients)
    return CourseGroup(kind, truth, histories, statistics_of_others(histories))


def score_group(detector: Detector, group: CourseGroup) -> GroupScores:
    """Assess every session of a group through the detector's own path."""
    present = group.truth.present
    dyads = assess_histories(detector, group.histories, group.statistics)
    risk = np.full(present.shape, np.nan)
    may_be_flagged = np.zeros(present.shape, dtype=np.bool_)
    risk[present] = [each.risk for dyad in dyads for each in dyad.assessments]
    may_be_flagged[present] = [may_flag(each) for dyad in dyads for each in dyad.assessments]
    return GroupScores(risk, may_be_flagged)
