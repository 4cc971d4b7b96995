"""The relay: outbox rows that no one published, or no one deleted, in; published and deleted out.

Two things leave such rows. A publication that failed after its commit waits in this process and is tried
again. A process that ended between commit and acknowledgement leaves rows behind: those of a partition are
published by its next owner; those of no partition, or of one that never moves, by whoever finds them first
after they have waited so long that their writer must have ended.
"""

from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.postgres.connect import connect
from services.runtime.process.log import describe, get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings

LEFT_BEHIND_AFTER_S = 60.0
_PUBLISH_S = 4.0
"""Below the limit after which PostgreSQL ends an idle transaction: the rows are locked meanwhile."""


class Relay:
    """Goes over the outbox once in a while."""

    def __init__(
        self,
        database: DatabaseSettings,
        committer: Committer,
        publisher: OutboxPublisher,
        metrics: Metrics,
        *,
        left_behind_after_s: float = LEFT_BEHIND_AFTER_S,
    ) -> None:
        self._database = database
        self._committer = committer
        self._publisher = publisher
        self._metrics = metrics
        self._after_s = left_behind_after_s

    async def once(self, *, others: bool = True) -> None:
        """Publish and delete what is waiting; a failure is counted and left to the next time.

        With `others`, also what other processes left behind.

        Raises:
            Exception: one that trying again will not mend.
        """
        try:
            await self._publisher.publish()
            if not others and not self._publisher.own_batches:
                return
            conn = await connect(self._database, "relay")
            async with conn:
                outbox = self._committer.outbox
                published = self._publisher.take_published()
                try:
                    await outbox.delete(conn, published)
                    await conn.commit()
                except BaseException:
                    self._publisher.give_back(published)
                    raise
                if not others:
                    return
                own = self._publisher.own_batches
                if rows := await outbox.left_behind(conn, self._after_s, except_batches=own):
                    await self._publisher.publish_now([row.out for row in rows], deadline_s=_PUBLISH_S)
                    await outbox.delete_rows(conn, rows)
                    get_logger().warning("outbox-left-behind-published", rows=len(rows))
        except Exception as error:
            reason = retry_reason(error)
            if reason is None:
                raise
            self._metrics.retries.labels(reason=reason).inc()
            get_logger().warning("relay-failed", why=describe(error))
