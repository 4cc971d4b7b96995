"""Passes heartbeats on, each with the risk that the model finds for a fixed history."""

import asyncio
from datetime import timedelta

from schemas import topics
from schemas.envelope import HEADERS
from services.detector.contracts import encode, envelope
from services.detector.domain.detector import DyadForms
from services.detector.domain.outcomes import Count
from services.detector.received import Beat
from services.detector.stream.batch import Batch, Tools
from services.runtime.kafka.record import Outgoing

TYPE = "alliance.heartbeat-sent.v1"
CLOSE = 1e-6
"""How far a risk may differ between processors."""
TOPICS = (topics.ASSESSED.name, topics.EPISODE_CHANGED.name)

_NEWER = """
INSERT INTO detector.heartbeat AS h (partition, minute) VALUES (%s, %s)
ON CONFLICT (partition) DO UPDATE SET minute = EXCLUDED.minute
WHERE h.minute < EXCLUDED.minute OR (h.minute > %s AND h.minute <> EXCLUDED.minute)
RETURNING minute
"""
_AHEAD = timedelta(minutes=5)
"""How far clocks may differ: a minute further ahead is a clock's error, and an earlier one replaces it."""


async def fixed_risk(tools: Tools) -> float:
    """Return the risk that the model finds for the fixed history, off the event loop."""
    work = [DyadForms(None, tools.heartbeat.forms)]
    (result,) = await asyncio.to_thread(tools.models.default.assess, work)
    return result.assessments[-1].risk


async def heartbeat(batch: Batch, tools: Tools) -> None:
    """Score the fixed history and publish each new heartbeat with its risk; repeated ones are left out."""
    if not batch.heartbeats:
        return
    risk = await fixed_risk(tools)
    latest = f"{batch.tx.now + _AHEAD:%Y-%m-%dT%H:%M:%SZ}"
    for record, event in batch.heartbeats:
        beat = event.data
        newer = await batch.tx.conn.execute(_NEWER, (record.partition, beat.minute, latest))
        if await newer.fetchone() is None:
            continue
        scored = Beat(beat.partition, beat.minute, beat.sent_at, risk, tools.heartbeat.expected_risk)
        key = record.key or b""
        # A restored database lets it pass once more: with the same bytes.
        value = envelope(TYPE, event.id, beat.sent_at, key, encode(scored))
        for topic in TOPICS:
            batch.tx.publish(Outgoing(topic, key, value, record.partition, HEADERS))
        batch.counts[Count.HEARTBEATS] += 1
        batch.counts[Count.HEARTBEATS_OFF] += abs(risk - tools.heartbeat.expected_risk) > CLOSE
