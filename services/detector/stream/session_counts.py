"""Counts the sessions that a batch assessed for the first time, for the metrics and the drift figures."""

from services.detector.domain.assessment import Assessment
from services.detector.domain.detector import Detector
from services.detector.domain.outcomes import Count
from services.detector.stream.batch import Batch
from services.runtime.process.sandbox import is_sandbox


def new_assessments(batch: Batch, model: Detector) -> list[Assessment]:
    """Count the batch's new sessions; return the assessments of those that were scored by `model`.

    A corrected or refolded session was counted when it was new, and so was one that was cancelled later.
    Made-up sessions of sandboxes say nothing about the model, and are left out.
    """
    counts, assessments = batch.counts, []
    for dyad in (one for one in batch.dyads.values() if not is_sandbox(one.who.practice_id)):
        own = bool(dyad.sessions) and dyad.practice.model is model
        for session in dyad.sessions:
            is_new = session.is_new and session.version.key in dyad.touched
            if is_new and session.assessment is not None and session.episode_step is not None:
                counts[session.version.rating.status] += 1
                counts[Count.FLAGGED] += session.episode_step.flagged
                if own:
                    assessments.append(session.assessment)
        for session in dyad.without_form:
            if not session.version.is_measure:
                counts[session.version.rating.status] += session.is_new
    return assessments
