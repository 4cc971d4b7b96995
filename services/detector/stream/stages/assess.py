"""Assesses the sessions of changed dyads, and applies to each the threshold that is valid for it.

Sessions before the first change keep what is stored of them.
"""

import asyncio
from collections import defaultdict

from services.detector.domain.detector import Detector
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.session_scoring import apply_threshold, assess_dyads
from services.detector.stream.batch import Batch, Tools


async def assess(batch: Batch, _tools: Tools) -> None:
    """Assess all changed dyads at once, off the event loop, each practice with its model."""
    by_model: defaultdict[Detector, list[DyadWork]] = defaultdict(list)
    for dyad in batch.dyads.values():
        if dyad.sessions:
            by_model[dyad.practice.model].append(dyad)
    for model, dyads in by_model.items():
        await asyncio.to_thread(assess_dyads, model, dyads)


async def apply_thresholds(batch: Batch, _tools: Tools) -> None:
    """Choose each session's threshold among those of its practice."""
    for dyad in batch.dyads.values():
        for session in dyad.sessions:
            apply_threshold(session, dyad.practice)
