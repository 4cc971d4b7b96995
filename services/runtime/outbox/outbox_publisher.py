"""Publishes what this process has committed to the outbox, in the order of the commits.

How order is kept with several replicas: a derived record goes to the partition number of its input, and each
partition has one owner. The owner commits and publishes its batches one after the other under one lock, and
a new owner publishes what the old one left before it reads on. Two processes can publish the same rows: an
old owner that was paused, or a relay that took its rows for abandoned. Both send them oldest first, and
neither goes on before its own are acknowledged. So the first copy of each row precedes the first copy of its
successor in the log, and only repetitions come late; they carry the ids of the originals. Records that
`transact` publishes may belong to a partition of another owner; they are ordered by the revisions in them,
which row locks assign in turn.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import TopicPartition
from services.runtime.kafka.send_queue import OrderedSend
from services.runtime.outbox.outbox_table import OutboxBatch, OutboxRow
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Retry


class OutboxPublisher:
    """Publishes committed outbox batches and remembers which of them may be deleted."""

    def __init__(self, producer: Producer, metrics: ConsumerMetrics, health: Health) -> None:
        self._producer = producer
        self._metrics = metrics
        self._health = health
        self._one_at_a_time = asyncio.Lock()
        self._waiting: deque[OutboxBatch] = deque()
        self._sending: OrderedSend | None = None
        self._published: list[int] = []
        self.ends: dict[TopicPartition, int] = {}
        """The offset after the last record that was published to each partition since they were prepared."""
        self.noted_ends: dict[TopicPartition, int] = {}
        """Those of them that are surely stored."""
        self.unchecked_ends: dict[TopicPartition, int] = {}
        """The greatest since the logs were last compared with it: a log that ends before it lost its end."""
        self.shortened: set[TopicPartition] = set()
        """Those which took a record at an earlier offset than that: they lost their ends, too."""

    @property
    def own_batches(self) -> list[int]:
        """The numbers of all batches that this process still handles, published or not."""
        return [batch.number for batch in self._waiting] + self._published

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be published."""
        return not self._waiting

    def enqueue(self, batch: OutboxBatch | None) -> None:
        """Add what a transaction wrote; call this as soon as the commit has returned."""
        if batch is not None:
            self._waiting.append(batch)
            self._update_metrics()

    async def publish(self, *, first_alone: Callable[[], None] | None = None) -> None:
        """Publish everything that waits, oldest first, and return when all of it is acknowledged.

        `first_alone` is called when the first record is acknowledged and no other has been sent.

        Raises:
            Retry: Kafka is away; what was not acknowledged waits for the next call.
            Halt: a record names a partition that does not exist.
        """
        async with self._one_at_a_time:
            while self._waiting:
                batch = self._waiting[0]
                if self._sending is None:
                    with self._reporting_health():
                        self._sending = await self._producer.prepare_send(
                            batch.outgoing, first_alone=first_alone
                        )
                with self._reporting_health(), self._metrics.publish_seconds.time():
                    await self._producer.finish_send(self._sending)
                self._note_sent(self._sending)
                self._sending = None
                self._waiting.popleft()
                self._published.append(batch.number)
                self._update_metrics()

    async def publish_rows(self, rows: Sequence[OutboxRow], *, deadline_s: float | None = None) -> None:
        """Publish rows of another process at once, before anything of this process that comes later.

        Raises:
            Retry: not all of them were acknowledged.
        """
        async with self._one_at_a_time:
            with self._reporting_health():
                sent = await self._producer.send_all([row.outgoing for row in rows], deadline_s=deadline_s)
            self._note_sent(sent)

    def forget_ends(self) -> None:
        """Forget how far was published: what follows is published to partitions that are prepared anew."""
        self.ends.clear()
        self.noted_ends.clear()

    def ends_to_note(self, owned: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the ends that are to be stored, of partitions with the numbers of these.

        Those that are too low, because the log lost its end, are left out until it is compared.
        """
        numbers = {number for _, number in owned}
        new = self.ends.items() - self.noted_ends.items()
        return {one: end for one, end in new if one[1] in numbers and one not in self.shortened}

    def note_stored(self, ends: Mapping[TopicPartition, int]) -> None:
        """Note that these are stored, as far as they are still the ends."""
        self.noted_ends.update({one: end for one, end in ends.items() if self.ends.get(one) == end})

    def note_checked(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the ends of these, which were compared; what was published since `ends` was empty stays."""
        for partition in partitions:
            self.shortened.discard(partition)
            if partition in self.ends:
                self.unchecked_ends[partition] = self.ends[partition]
            else:
                self.unchecked_ends.pop(partition, None)

    def _note_sent(self, sent: OrderedSend) -> None:
        self.ends.update(sent.ends)
        known = self.unchecked_ends
        self.shortened |= {one for one, start in sent.starts.items() if start < known.get(one, 0)}
        known.update({one: max(end, known.get(one, 0)) for one, end in sent.ends.items()})

    def take_published(self) -> list[int]:
        """Hand over the numbers of the published batches, for the next transaction to delete."""
        taken, self._published = self._published, []
        return taken

    def return_published(self, batches: Sequence[int]) -> None:
        """Take the numbers back, because the transaction that was to delete them was rolled back."""
        self._published[:0] = batches

    @contextlib.contextmanager
    def _reporting_health(self) -> Iterator[None]:
        try:
            yield
        except Retry as retry:
            self._health.set_bad("publishing", str(retry))
            raise
        self._health.set_good("publishing")

    def _update_metrics(self) -> None:
        self._metrics.outbox_waiting.set(sum(len(batch.outgoing) for batch in self._waiting))
