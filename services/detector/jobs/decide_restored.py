"""Decides clients again whose published events the database lost, once the log was read as far as before."""

from collections.abc import Collection
from uuid import UUID

from schemas.ids import CaseId, ClientId, Dyad, DyadId, PracticeId, TherapistId
from services.detector.domain.dyad_work import DyadWork
from services.detector.storage.published_before import read_dyads, read_on
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.pipeline import run
from services.runtime.outbox.transaction import Transaction

MOST_AT_ONCE = 50
"""Dyads whose whole histories are assessed in one transaction."""


async def decide_restored(
    tx: Transaction, tools: Tools, partitions: Collection[int], after: UUID
) -> tuple[Batch, UUID | None]:
    """Take the next such dyads of these partitions through the stages.

    Returns the batch, and the last dyad's id; None when there are no more.
    """
    batch = Batch(tx)
    ready = await read_on(tx.conn, partitions)
    rows = await read_dyads(tx.conn, ready, after, MOST_AT_ONCE) if ready else []
    for id_, practice, therapist, client, case, key, partition in rows:
        who = Dyad(PracticeId(practice), TherapistId(therapist), ClientId(client), CaseId(case))
        batch.dyads[DyadId(id_)] = DyadWork(DyadId(id_), who, key, partition)
    if rows:
        await run(batch, tools)
    return batch, rows[-1][0] if len(rows) == MOST_AT_ONCE else None
