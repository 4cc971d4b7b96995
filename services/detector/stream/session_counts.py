"""A finished batch in, what it assessed for the first time out: counted, and for the drift figures."""

from services.detector.domain.assessment import Assessment
from services.detector.domain.detector import Detector
from services.detector.metrics import FLAGGED
from services.detector.stream.batch import Batch


def new_findings(batch: Batch, model: Detector) -> list[Assessment]:
    """Count the batch's new sessions; the findings of those that were scored by `model`.

    A corrected or refolded session was counted when it was new.
    """
    counts, found = batch.counts, []
    for dyad in batch.dyads.values():
        own = bool(dyad.sessions) and dyad.practice.model is model
        for session in dyad.sessions:
            is_new = session.revision == 1 and session.version.key in dyad.touched
            if is_new and session.found is not None and session.seen is not None:
                counts[session.version.rating.status] += 1
                counts[FLAGGED] += session.seen.flagged
                if own:
                    found.append(session.found)
    return found
