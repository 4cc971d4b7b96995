"""Names the stages that a batch passes through, in order, within one transaction."""

from collections.abc import Sequence
from time import perf_counter

from services.detector.storage.ratings import one_claim_each
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.stages.assess import apply_thresholds, assess
from services.detector.stream.stages.claim import claim, recall
from services.detector.stream.stages.decide import decide
from services.detector.stream.stages.decode import decode, drop_erased
from services.detector.stream.stages.heartbeat import heartbeat
from services.detector.stream.stages.load import load
from services.detector.stream.stages.lock import lock
from services.detector.stream.stages.publish import publish_assessments, publish_episodes
from services.detector.stream.stages.record_responses import record_responses
from services.detector.stream.stages.store import store, store_episodes
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction

STAGES = (
    drop_erased,  # what was accepted before its client was erased
    recall,  # what waited for a session of this batch
    lock,  # the dyads' rows, in key order
    record_responses,
    claim,  # ratings are claimed, counted as duplicates or rejected
    load,  # the sessions after the snapshot, or the whole history
    assess,  # the model's risk, with each component's share
    apply_thresholds,
    decide,  # the episodes, and what changed about them
    publish_assessments,
    publish_episodes,
    store,  # assessments and the dyads' states
    store_episodes,
    heartbeat,
)


async def process(tx: Transaction, records: Sequence[Record], tools: Tools) -> Batch:
    """Take the records of one batch through all stages."""
    return await run(decode(tx, records, tools.catalogue), tools)


async def run(batch: Batch, tools: Tools) -> Batch:
    """Take a batch through the stages after decoding.

    Raises:
        Collision: another process claimed the same id or session at the same moment.
    """
    # A statement whose rows nobody waits for runs in PostgreSQL while the next stage computes.
    async with one_claim_each(), batch.tx.conn.pipeline():
        for stage in STAGES:
            began = perf_counter()
            await stage(batch, tools)
            batch.stage_s[stage.__name__] = perf_counter() - began
    return batch
