"""Scores the sessions of dyads with the statistics and the threshold of their practice valid at each.

The stream and the scoring of files share these steps.
"""

from collections.abc import Sequence

from services.detector.domain.dated_rows import row_at, threshold_at
from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.practice import Practice
from services.detector.domain.session_risk import session_risk

MAX_SNAPSHOT_BYTES = 4096
"""A larger snapshot would cost more to store than the history costs to refold."""


def assess_dyads(model: Detector, dyads: Sequence[DyadWork]) -> None:
    """Assess the sessions of these dyads; their results do not depend on one another."""
    if model.uses_statistics:
        for dyad in dyads:
            _choose_statistics(dyad)
    work = [_forms(dyad) for dyad in dyads]
    for dyad, forms, result in zip(dyads, work, model.assess(work), strict=True):
        small = len(result.snapshot) <= MAX_SNAPSHOT_BYTES
        dyad.snapshot_after = result.snapshot if small else None
        for session, assessment in zip(
            dyad.sessions[forms.already_assessed :], result.assessments, strict=True
        ):
            if session.stored is None:
                session.assessment = assessment


def _choose_statistics(dyad: DyadWork) -> None:
    rows = dyad.practice.statistics
    for session in dyad.sessions:
        version = session.version
        session.statistics = row_at(rows, version.order.session_at, version.accepted_at)


def _forms(dyad: DyadWork) -> DyadForms:
    given = [session for session in dyad.sessions if session.form is not None]
    statistics = [session.statistics for session in given]
    return DyadForms(
        dyad.snapshot,
        [session.form for session in given if session.form is not None],
        _known(dyad),
        statistics if any(statistics) else (),
    )


def _known(dyad: DyadWork) -> int:
    """Return how many leading sessions keep what is stored of them."""
    unknown = (index for index, session in enumerate(dyad.sessions) if session.stored is None)
    return next(unknown, len(dyad.sessions))


def apply_threshold(session: SessionWork, practice: Practice) -> None:
    """Choose the session's threshold and make what its episode is decided from."""
    if session.assessment is None:
        session.session_risk = session.stored
        return
    version = session.version
    at = version.order.session_at
    session.threshold = threshold_at(practice.thresholds, practice.default, at, version.accepted_at)
    session.session_risk = session_risk(version.order, session.assessment, session.threshold.value)
