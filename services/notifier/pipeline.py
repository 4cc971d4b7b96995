"""Lists the notifier's stages in order."""

from collections.abc import Awaitable, Callable, Sequence

from services.notifier.domain.decision import PlannedNotification
from services.notifier.metrics import NotifierMetrics
from services.notifier.stages.caseload import caseload
from services.notifier.stages.decode import decode_records, drop_erased, take_names
from services.notifier.stages.dedup import dedup
from services.notifier.stages.inbox import inbox
from services.notifier.stages.plan import mute, route
from services.notifier.stages.record import record
from services.notifier.stages.send import Defer, Send
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction

Stage = Callable[[Transaction, list[PlannedNotification]], Awaitable[list[PlannedNotification]]]


class Pipeline:
    """Handles each batch of the consume loop, inside its transaction."""

    def __init__(self, defer: Defer, metrics: NotifierMetrics, erasures: Erasures) -> None:
        self._metrics = metrics
        self.erasures = erasures
        self.stages: tuple[Stage, ...] = (
            route,
            mute,
            dedup,
            inbox,
            Send(defer),
            record,
        )

    async def __call__(self, tx: Transaction, records: Sequence[Record]) -> None:
        """Handle one batch."""
        named = await take_names(tx, decode_records(tx, records))
        batch = await drop_erased(tx, named, self.erasures)
        await caseload(tx, batch.assessed, batch.feed_days)
        notifications = batch.notifications
        for stage in self.stages:
            notifications = await stage(tx, notifications)
        tx.after_commit.append(lambda: self._metrics.count(notifications, tx.now))
