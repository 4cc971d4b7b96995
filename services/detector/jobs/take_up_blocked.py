"""Takes up what waited for a session or for a model, when nothing blocks it any more.

A session that is taken back is followed at once, in the same transaction. This job finds what such a
transaction does not see: models that were loaded or mapped since, and clients that were erased.
"""

from services.detector.storage.blocked import read_due
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.pipeline import run
from services.detector.stream.stages.decode import take_up
from services.runtime.outbox.transaction import Transaction

MOST_AT_ONCE = 500


async def take_up_blocked(tx: Transaction, tools: Tools) -> Batch:
    """Take the oldest of what waits for nothing any more through the stages; return the batch."""
    batch = Batch(tx)
    take_up(batch, await read_due(tx.conn, tools.models.versions, MOST_AT_ONCE), tools.catalogue)
    return await run(batch, tools)
