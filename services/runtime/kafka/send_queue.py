"""Records on their way to Kafka: a list goes in, and comes to an end when every one is acknowledged.

Records of one partition go out in their order, one batch at a time; partitions go out beside each other.
After a `Retry`, `finish` is called again: what is on its way already is awaited and not sent a second time: a
long outage leaves one copy in the queue and not one for each attempt.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.runtime.kafka.record import Outgoing, TopicPartition
from services.runtime.process.errors import Retry

Placed = tuple[TopicPartition, Outgoing]


class _Lane:
    """What is still to be acknowledged in one partition."""

    __slots__ = ("first", "place", "rest", "via", "waiting")

    def __init__(self, place: TopicPartition) -> None:
        self.place = place
        self.rest: deque[Outgoing] = deque()
        self.first: list[Outgoing] = []
        self.waiting: asyncio.Future[Any] | None = None
        self.via: AIOKafkaProducer | None = None

    @property
    def done(self) -> bool:
        return not self.first and not self.rest

    def leave(self, producer: AIOKafkaProducer) -> None:
        """Give up waiting for a client that was replaced: it may never say what became of the batch."""
        if self.waiting is not None and self.via is not producer and not self.waiting.done():
            self.waiting = None

    async def send_next(self, producer: AIOKafkaProducer, limit: int | None) -> None:
        """Hand over one batch, unless one is on its way."""
        if self.waiting is not None or self.done:
            return
        builder = producer.create_batch()
        queue = deque(self.first) + self.rest if self.first else self.rest
        taken: list[Outgoing] = []
        while queue and (limit is None or len(taken) < limit):
            out = queue[0]
            # The builder takes a first record of any size, and says None when the next does not fit.
            if (
                builder.append(timestamp=None, key=out.key, value=out.value, headers=list(out.headers))
                is None
            ):
                break
            taken.append(queue.popleft())
        builder.close()
        self.first, self.rest = taken, queue
        topic, partition = self.place
        self.waiting = await producer.send_batch(builder, topic, partition=partition)
        self.via = producer
        self.waiting.add_done_callback(_look_at)

    def settle(self) -> BaseException | None:
        """Take note of a batch that came to its end; the error is returned, its records stay to be sent."""
        if self.waiting is None or not self.waiting.done():
            return None
        error = asyncio.CancelledError() if self.waiting.cancelled() else self.waiting.exception()
        self.waiting = None
        if error is None:
            self.first = []
        return error


def _look_at(future: asyncio.Future[Any]) -> None:
    # An outcome that nobody waits for any more must not be reported as forgotten.
    if not future.cancelled():
        future.exception()


class OrderedSend:
    """A list of records that is being published; `finish` once or, after a `Retry`, again."""

    def __init__(
        self,
        placed: Iterable[Placed],
        producer: Callable[[], Awaitable[AIOKafkaProducer]],
        *,
        first_alone: Callable[[], None] | None = None,
    ) -> None:
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._producer = producer
        self._first_alone = first_alone
        self.counts: dict[str, int] = {}
        """How many records of each topic."""
        for place, out in placed:
            lane = self._lanes.get(place)
            if lane is None:
                lane = self._lanes[place] = _Lane(place)
            lane.rest.append(out)
            self.counts[place[0]] = self.counts.get(place[0], 0) + 1

    @property
    def done(self) -> bool:
        """Everything was acknowledged."""
        return not self._lanes

    async def finish(self, deadline_s: float) -> None:
        """Send what was not sent and wait for every acknowledgement.

        Raises:
            Retry: not all were acknowledged in time, or Kafka refused; call it again.
        """
        try:
            async with asyncio.timeout(deadline_s):
                if self._first_alone is not None and self._lanes:
                    await self._round(list(self._lanes.values())[:1], limit=1)
                    call, self._first_alone = self._first_alone, None
                    call()
                while self._lanes:
                    await self._round(list(self._lanes.values()), limit=None)
        except TimeoutError:
            raise Retry(f"Kafka did not acknowledge within {deadline_s:g} s") from None
        except KafkaError as error:
            raise Retry(f"Kafka did not take the records ({type(error).__name__})") from error

    async def _round(self, lanes: list[_Lane], *, limit: int | None) -> None:
        """One batch of each lane, acknowledged: only then goes the next, so order outlives a failure."""
        producer = await self._producer()
        for lane in lanes:
            lane.leave(producer)
            await lane.send_next(producer, limit)
        await asyncio.wait([lane.waiting for lane in lanes if lane.waiting is not None])
        errors = [error for lane in lanes if (error := lane.settle()) is not None]
        for lane in lanes:
            if lane.done:
                self._lanes.pop(lane.place, None)
        if errors:
            raise errors[0]
