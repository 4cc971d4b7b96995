"""Takes up what waited for a session, for a model or for its turn, when nothing blocks it any more.

A session that is taken back is followed at once, in the same transaction. The sweep finds what such a
transaction does not see: models that were loaded or mapped since, and clients that were erased. Sessions of a
client who has many at once are taken up beside the consumer (`take_up_in_turn.py`), so that nobody else's
ratings wait for them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from services.detector.storage import blocked
from services.detector.storage.blocked import Waiting
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.pipeline import run
from services.detector.stream.stages.decode import take_up, whose
from services.runtime.consumer.verdict import verdict
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Fault, Reject, Retry
from services.runtime.process.log import describe, get_logger

MOST_AT_ONCE = 500

Count = Callable[[Batch, float], None]
"""Counts what happened in a batch that was committed at a time in seconds since 1970."""
Read = Callable[[Connection], Awaitable[list[Waiting]]]
"""Reads and locks what is to be taken up."""
Transact = Callable[[Callable[[Transaction], Awaitable[None]]], Awaitable[object]]
"""Runs work in a transaction of its own: the consumer does."""


@dataclass(slots=True)
class Attempt:
    """One transaction that takes up what waits; it was committed if there is no `error`."""

    waiting: list[Waiting] = field(default_factory=list)
    """What was read; nothing, if reading failed."""
    error: Exception | None = None

    @property
    def cause(self) -> Exception | None:
        """What failed: the consumer says only that the same may succeed later."""
        if isinstance(self.error, Retry) and isinstance(self.error.__cause__, Exception):
            return self.error.__cause__
        return self.error

    def failure(self, *, is_last: bool = False) -> Reject | None:
        """Return why these records cannot take effect together; None to try them once more.

        At the `is_last` time they are not tried again.

        Raises:
            Exception: the error, which says nothing about the records.
        """
        if self.error is None or self.cause is None:
            raise ValueError("this attempt did not fail")
        if not self.waiting:
            raise self.error
        # What is away or takes too long says so itself; only the unexpected needs its place.
        unexpected = None if isinstance(self.error, Fault) else self.error
        try:
            failure = verdict(self.cause, [record for _, record in self.waiting], last=is_last)
        except Exception:
            raise self.error from self.error.__cause__
        get_logger().warning("take-up-failed", why=describe(self.error), exc_info=unexpected)
        return failure


async def attempt(
    transact: Transact, read: Read, tools: Tools, count: Count, *, takes_all_before: bool = False
) -> Attempt:
    """Take what `read` returns through the stages, in a transaction of its own."""
    result = Attempt()

    async def work(tx: Transaction) -> None:
        result.waiting = []
        result.waiting = await read(tx.conn)
        batch = await take_through_stages(tx, tools, result.waiting, takes_all_before=takes_all_before)
        at_s = tx.now.timestamp()
        tx.after_commit.append(lambda: count(batch, at_s))

    try:
        await transact(work)
    except Exception as error:
        result.error = error
    return result


async def take_up_blocked(transact: Transact, tools: Tools, count: Count) -> int:
    """Take the oldest of what waits for nothing any more through the stages; return the number of records.

    Where that fails because of one of them, all of these wait for their turn from now on: there the one that
    fails is found, and delays no other.

    Raises:
        Exception: what failed, if the records are not at fault.
    """
    read = partial(blocked.read_due, loaded_models=tools.models.versions, limit=MOST_AT_ONCE)
    tried = await attempt(transact, read, tools, count)
    if tried.error is not None:
        tried.failure()
        await transact(lambda tx: blocked.wait_in_turn(tx.conn, tried.waiting))
    return len(tried.waiting)


async def take_through_stages(
    tx: Transaction, tools: Tools, waiting: list[Waiting], *, takes_all_before: bool = False
) -> Batch:
    """Take records that waited through the stages; return the batch.

    With `takes_all_before`, where they precede assessed sessions, all that wait there do so at once.
    """
    batch = Batch(tx, takes_all_before=takes_all_before)
    take_up(batch, waiting, tools.catalogue)
    return await run(batch, tools)


async def set_aside(tx: Transaction, at: blocked.RecordPosition, failure: Reject) -> None:
    """Reject the record that waits at this position, which cannot be processed."""
    for cluster_id, record in await blocked.read_at(tx.conn, at):
        tenant, subject_id = whose(record)
        tx.reject(record, failure, tenant=tenant, subject_id=subject_id, cluster_id=cluster_id)
        await blocked.delete(tx.conn, {at})
