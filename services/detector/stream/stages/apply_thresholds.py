"""Applies the threshold that is valid for each session."""

from services.detector.domain.session_scoring import apply_threshold
from services.detector.stream.batch import Batch, Tools


async def apply_thresholds(batch: Batch, _tools: Tools) -> None:
    """Choose each session's threshold among those of its practice."""
    for dyad in batch.dyads.values():
        for session in dyad.sessions:
            apply_threshold(session, dyad.practice)
