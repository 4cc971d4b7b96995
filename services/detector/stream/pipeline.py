"""The flow, named once: what a batch passes through, in order, within one transaction."""

from collections.abc import Sequence

from services.detector.storage.ratings import one_claim_each
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.stages.assess import assess, weigh
from services.detector.stream.stages.claim import claim
from services.detector.stream.stages.decide import conclude
from services.detector.stream.stages.decode import decode
from services.detector.stream.stages.heartbeat import pulse
from services.detector.stream.stages.load import load
from services.detector.stream.stages.lock import lock
from services.detector.stream.stages.publish_assessments import publish
from services.detector.stream.stages.publish_episodes import tell
from services.detector.stream.stages.record_responses import answer
from services.detector.stream.stages.store import store
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction

STAGES = (
    lock,  # the dyads' rows, in key order
    answer,  # therapists' answers are kept
    claim,  # ratings are taken up, counted as duplicates, or rejected
    load,  # the sessions after the snapshot, or the whole history
    assess,  # what the model says
    weigh,  # beside the threshold that counts there
    conclude,  # decide and emit: episodes, and what is new about them
    publish,  # assessments whose numbers changed
    store,  # assessments and states
    tell,  # changes of episodes
    pulse,  # heartbeats
)


async def flow(tx: Transaction, records: Sequence[Record], tools: Tools) -> Batch:
    """Take the records of one batch through all stages."""
    return await run(decode(tx, records), tools)


async def run(batch: Batch, tools: Tools) -> Batch:
    """Take a batch through the stages after decoding.

    Raises:
        Retry: another process claimed the same id or session at the same moment.
    """
    # A statement whose rows nobody waits for runs in PostgreSQL while the next stage computes.
    async with one_claim_each(), batch.tx.conn.pipeline():
        for stage in STAGES:
            await stage(batch, tools)
    return batch
