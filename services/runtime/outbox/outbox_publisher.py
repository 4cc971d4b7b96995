"""What was committed is published: parcels in, in the order of their commits; numbers to delete out.

Order, with several replicas. A derived record goes to its input's partition number, and a partition has one
owner: its batches are committed and published one after the other under one lock, and a new owner publishes
what the old one left before it reads on. Where two processes do publish the same rows (an old owner that was
paused, a relay that took its rows for abandoned), both send them oldest first and neither goes on before its
own are acknowledged; so the first copy of each row still stands in the log before the first copy of its
successor, and only repetitions come late. Those carry the ids of the originals. What `transact` publishes may
belong to a partition of another owner: it is ordered by the revisions in it, which row locks give in turn.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing
from services.runtime.kafka.send_queue import OrderedSend
from services.runtime.outbox.outbox_table import OutboxBatch
from services.runtime.process.errors import Retry
from services.runtime.process.metrics import Metrics


class OutboxPublisher:
    """The way from the outbox to Kafka for what this process itself has committed."""

    def __init__(self, producer: Producer, metrics: Metrics, health: Health) -> None:
        self._producer = producer
        self._metrics = metrics
        self._health = health
        self._one_at_a_time = asyncio.Lock()
        self._waiting: deque[OutboxBatch] = deque()
        self._sending: OrderedSend | None = None
        self._published: list[int] = []

    @property
    def own_batches(self) -> list[int]:
        """The numbers of all that this process still has in hand, published or not."""
        return [parcel.batch for parcel in self._waiting] + self._published

    @property
    def idle(self) -> bool:
        """Nothing waits to be published."""
        return not self._waiting

    def add(self, parcel: OutboxBatch | None) -> None:
        """Take what a transaction committed; call it as soon as the commit has returned."""
        if parcel is not None:
            self._waiting.append(parcel)
            self._show()

    async def publish(self, *, first_alone: Callable[[], None] | None = None) -> None:
        """Publish all that waits, oldest first, and return when all is acknowledged.

        Raises:
            Retry: Kafka is away; what was not acknowledged waits for the next call.
            Halt: a record names a partition that does not exist.
        """
        async with self._one_at_a_time:
            while self._waiting:
                parcel = self._waiting[0]
                if self._sending is None:
                    with self._judged():
                        self._sending = await self._producer.begin(parcel.outgoing, first_alone=first_alone)
                with self._judged(), self._metrics.publish_seconds.time():
                    await self._producer.finish(self._sending)
                self._sending = None
                self._waiting.popleft()
                self._published.append(parcel.batch)
                self._show()

    async def publish_now(self, outgoing: Sequence[Outgoing], *, deadline_s: float | None = None) -> None:
        """Publish what another process left behind, before anything of our own that comes later.

        Raises:
            Retry: not all was acknowledged.
        """
        async with self._one_at_a_time:
            with self._judged():
                await self._producer.send_all(outgoing, deadline_s=deadline_s)

    def take_published(self) -> list[int]:
        """The numbers of what was published, for the next transaction to delete."""
        taken, self._published = self._published, []
        return taken

    def give_back(self, batches: Sequence[int]) -> None:
        """The transaction that was to delete these was rolled back."""
        self._published[:0] = batches

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except Retry as retry:
            self._health.set_bad("publishing", str(retry))
            raise
        self._health.set_good("publishing")

    def _show(self) -> None:
        self._metrics.outbox_waiting.set(sum(len(parcel.outgoing) for parcel in self._waiting))
