"""Publishes and deletes outbox rows that were not published or not deleted in time.

Two things leave such rows. A publication that failed after its commit waits in this process and is tried
again. A process that ended between commit and acknowledgement leaves rows behind: rows of a partition are
published by its next owner; rows without a partition, or of a partition that never moves, by whichever
process first finds them after they have waited so long that their writer must have ended.

It also stores how far this process has published, for when no further transaction does, and notices that the
database is away when nothing else asks for it.
"""

import contextlib
from collections.abc import Awaitable, Callable
from math import nan

from services.runtime.outbox.committer import Claim, Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.postgres.server_state import backup_times, schema_bytes
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics, RetryReason
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings

ABANDONED_AFTER_S = 60.0
_PUBLISH_DEADLINE_S = 4.0
"""Below the limit after which PostgreSQL ends an idle transaction: the rows are locked meanwhile."""


class Relay:
    """Looks through the outbox once in a while."""

    def __init__(
        self,
        database: DatabaseSettings,
        committer: Committer,
        publisher: OutboxPublisher,
        metrics: ConsumerMetrics,
        clock: Clock,
        *,
        owned: Callable[[], Claim],
        report_database: Callable[[str | None], None],
        look_at_role: Callable[[Connection], Awaitable[None]],
        look_at_tables: Callable[[Connection], Awaitable[None]],
        abandoned_after_s: float = ABANDONED_AFTER_S,
    ) -> None:
        """`owned` returns the partitions that this process works on.

        `report_database` is told after each look whether the database answered: None, or what is wrong.
        `look_at_role` reports whether the service's login can act for a practice; `look_at_tables` raises
        what a transaction on tables that lack migrations ends with.
        """
        self._database = database
        self._committer = committer
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._owned = owned
        self._report_database = report_database
        self._look_at_role = look_at_role
        self._look_at_tables = look_at_tables
        self._abandoned_after_s = abandoned_after_s

    async def run_once(self, *, include_abandoned: bool = True) -> None:
        """Publish and delete what waits; a failure is counted and left to the next run.

        With `include_abandoned`, publish rows that other processes left behind, too.

        Raises:
            Exception: one that a repetition will not mend.
        """
        try:
            await self._publisher.publish()
            ends = self._publisher.ends_to_note(self._owned().epochs)
            if not include_abandoned and not self._publisher.own_batches and not ends:
                return
            connection = await connect_for_all_practices(self._database, "relay")
            async with contextlib.AsyncExitStack() as stack:
                # Its own block would leave it open where this is cancelled while that commits or rolls back.
                stack.push_async_callback(connection.close)
                outbox = self._committer.outbox
                published = self._publisher.take_published()
                try:
                    await outbox.delete_batches(connection, published)
                    await connection.commit()
                except BaseException:
                    self._publisher.return_published(published)
                    raise
                await self._committer.note_ends(connection, self._owned())
                await outbox.floor.raise_(connection)
                await connection.commit()
                self._report_database(None)
                if not include_abandoned:
                    return
                await self._look_at_tables(connection)
                await self._measure(connection)
                await self._look_at_role(connection)
                own = self._publisher.own_batches
                rows = await outbox.lock_abandoned(connection, self._abandoned_after_s, except_batches=own)
                if rows:
                    await self._publisher.publish_rows(rows, deadline_s=_PUBLISH_DEADLINE_S)
                    await outbox.delete_rows(connection, rows)
                    await connection.commit()
                    get_logger().warning("outbox-left-behind-published", rows=len(rows))
        except Exception as error:
            reason = retry_reason(error)
            if reason is None:
                raise
            if reason is RetryReason.DATABASE:
                self._report_database(describe(error))
            self._metrics.retries.labels(reason=reason).inc()
            get_logger().warning("relay-failed", why=describe(error))

    async def _measure(self, connection: Connection) -> None:
        """Export what the tables hold, whichever process wrote it."""
        metrics, schema = self._metrics, self._metrics.service
        metrics.outbox_rows.labels(schema).set(await self._committer.outbox.count(connection))
        gap = await self._committer.positions.all_unaccounted(connection)
        metrics.reconciliation_gap.labels(schema).set(gap)
        for name, held in await schema_bytes(connection, schema):
            metrics.database_bytes.labels(name).set(held)
        backed_up_at, archived_at = await backup_times(connection)
        metrics.backup_last_success.set(nan if backed_up_at is None else backed_up_at)
        metrics.wal_archived.set(nan if archived_at is None else archived_at)
        metrics.reconciled.set(self._clock.now().timestamp())
