"""Lists the notifier's stages in order."""

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from prometheus_client import Histogram

from services.notifier.client_names import take_over
from services.notifier.domain.decision import PlannedNotification
from services.notifier.metrics import NotifierMetrics
from services.notifier.stages.caseload import caseload
from services.notifier.stages.decode import decode_records, drop_erased, take_names
from services.notifier.stages.dedup import dedup
from services.notifier.stages.inbox import inbox
from services.notifier.stages.measures import measures
from services.notifier.stages.plan import mute, route
from services.notifier.stages.record import record
from services.notifier.stages.send import Defer, Send
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.clock import Clock

Stage = Callable[[Transaction, list[PlannedNotification]], Awaitable[list[PlannedNotification]]]


class Pipeline:
    """Handles each batch of the consume loop, inside its transaction."""

    def __init__(
        self,
        defer: Defer,
        metrics: NotifierMetrics,
        stage_seconds: Histogram,
        clock: Clock,
        erasures: Erasures,
    ) -> None:
        self._metrics = metrics
        self._stage_seconds = stage_seconds
        self._clock = clock
        self.erasures = erasures
        self.stages: tuple[Stage, ...] = (
            route,
            mute,
            dedup,
            inbox,
            Send(defer),
            record,
        )
        for stage in self.stages:
            stage_seconds.labels(name_of(stage))

    async def __call__(self, tx: Transaction, records: Sequence[Record]) -> None:
        """Handle one batch."""
        decoded = decode_records(tx, records)
        for one in decoded.renamed:
            await take_over(tx, one, self.erasures)
        # A client may have been erased before getting another reference, or after.
        left = await drop_erased(tx, decoded, self.erasures)
        batch = await drop_erased(tx, await take_names(tx, left), self.erasures)
        await caseload(tx, batch.assessed, batch.feed_days)
        await measures(tx, [one.data for one in batch.measures])
        notifications = batch.notifications
        seconds: list[float] = []
        for stage in self.stages:
            began = perf_counter()
            notifications = await stage(tx, notifications)
            seconds.append(perf_counter() - began)

        def committed() -> None:
            self._metrics.count(notifications, self._clock.now())
            for stage, stage_s in zip(self.stages, seconds, strict=True):
                self._stage_seconds.labels(name_of(stage)).observe(stage_s)

        tx.after_commit.append(committed)


def name_of(stage: Stage) -> str:
    """Return the name of a stage, which is that of its file."""
    name: str = getattr(stage, "__name__", type(stage).__name__)
    return name.lower()
