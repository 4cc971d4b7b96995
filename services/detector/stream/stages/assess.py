"""Sessions in, the model's findings out; sessions before the first change keep what is stored of them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from services.detector.domain.detector import Detector, DyadForms
from services.detector.domain.episodes import session_risk
from services.detector.domain.thresholds import threshold_at
from services.detector.storage.practices import Practice
from services.detector.stream.batch import Batch, DyadWork, Session, Tools

MAX_SNAPSHOT_BYTES = 4096
"""A larger one would cost more to store than the history to refold."""


async def assess(batch: Batch, _tools: Tools) -> None:
    """Score all changed dyads at once, off the event loop, each practice with its model."""
    by_model: defaultdict[Detector, list[DyadWork]] = defaultdict(list)
    for dyad in batch.dyads.values():
        if dyad.sessions:
            by_model[dyad.practice.model].append(dyad)
    for model, dyads in by_model.items():
        await asyncio.to_thread(assess_dyads, model, dyads)


def assess_dyads(model: Detector, dyads: Sequence[DyadWork]) -> None:
    """Score these dyads; their results do not depend on one another."""
    work = [
        DyadForms(dyad.snapshot, [s.form for s in dyad.sessions if s.form is not None], _known(dyad))
        for dyad in dyads
    ]
    for dyad, one, result in zip(dyads, work, model.assess(work), strict=True):
        small = len(result.snapshot) <= MAX_SNAPSHOT_BYTES
        dyad.snapshot_after = result.snapshot if small else None
        for session, found in zip(dyad.sessions[one.already_assessed :], result.assessments, strict=True):
            if session.stored is None:
                session.found = found


def _known(dyad: DyadWork) -> int:
    """How many sessions keep what is stored of them, before the first that does not."""
    return next((at for at, one in enumerate(dyad.sessions) if one.stored is None), len(dyad.sessions))


async def weigh(batch: Batch, _tools: Tools) -> None:
    """Put each finding beside the threshold that counts for its session."""
    for dyad in batch.dyads.values():
        for session in dyad.sessions:
            weigh_session(session, dyad.practice)


def weigh_session(session: Session, practice: Practice) -> None:
    """Choose the threshold and make of both what the decision rests on."""
    if session.found is None:
        session.scored = session.stored
        return
    version = session.version
    at = version.place.session_at
    session.threshold = threshold_at(practice.thresholds, practice.default, at, version.accepted_at)
    session.scored = session_risk(version.place, session.found, session.threshold.value)
