"""Fills the topic of ratings with dyads of twelve weekly sessions, ordered by session."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import PracticeId, record_key
from schemas.rating import RatingBody
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings

SESSIONS = 12
PRACTICES = 10
MINUTES = 5 * 24 * 60
"""Sessions of a week are on as many minutes: not all clients come at the same time."""
AT_ONCE = 120_000
"""Ratings that are held in memory, whole dyads of them; those of others come after all of these."""
SECRET = b"a secret for benchmarks, 32 byte"
LAST = datetime(2026, 3, 2, 10, tzinfo=UTC)


def mark(rng: random.Random, usual: float) -> float:
    """Return a mark from 1 to 5 about what is usual."""
    return float(min(5, max(1, round(rng.gauss(usual, 0.6)))))


def records(count: int, seed: int = 1, *, first: int = 0, practices: int = PRACTICES) -> list[Outgoing]:
    """Return `count` ratings of `wai-sr`, rounded down to whole dyads, of clients from number `first` on."""
    clients = range(first, first + count // SESSIONS)
    return ratings_of(clients, range(SESSIONS), seed + first, practices=practices)


def ratings_of(
    clients: Sequence[int], sessions: Iterable[int], seed: int = 1, *, practices: int = PRACTICES
) -> list[Outgoing]:
    """Return one rating of each of these clients in each of these weeks; `SESSIONS` is the last week."""
    rng = random.Random(seed)
    made = []
    usual = {number: rng.uniform(2.5, 4.8) for number in clients}
    for session in sessions:
        for number in clients:
            practice = PracticeId(f"practice-{number % practices}")
            body = RatingBody(
                client_id=f"c{number}",
                therapist_id=f"t{number // 20}",
                session_id=f"c{number}-s{session}",
                session_at=LAST - timedelta(weeks=SESSIONS - session, minutes=37 * number % MINUTES),
                instrument="wai-sr",
                items=tuple(mark(rng, usual[number]) for _ in range(12)),
            )
            key = record_key(SECRET, dyad(practice, body))
            value = session_rated_value(practice, body, accepted_at=LAST, key=key)
            made.append(Outgoing(topics.SESSION_RATED.name, key, value, headers=HEADERS))
    return made


def fill(bootstrap: str, count: int, *, practices: int = PRACTICES) -> int:
    """Publish `count` ratings; return how many were published."""

    async def send(producer: Producer) -> int:
        sent = 0
        while count - sent >= SESSIONS:
            made = records(min(AT_ONCE, count - sent), first=sent // SESSIONS, practices=practices)
            await _send(producer, made)
            sent += len(made)
        return sent

    return asyncio.run(_with_producer(bootstrap, send))


def send_all(bootstrap: str, made: Sequence[Outgoing]) -> int:
    """Publish these ratings; return how many they are."""

    async def send(producer: Producer) -> int:
        await _send(producer, made)
        return len(made)

    return asyncio.run(_with_producer(bootstrap, send))


async def _send(producer: Producer, made: Sequence[Outgoing]) -> None:
    for start in range(0, len(made), 2000):
        await producer.send_all(made[start : start + 2000])


async def _with_producer(bootstrap: str, send: Callable[[Producer], Awaitable[int]]) -> int:
    kafka = KafkaSettings(bootstrap_servers=bootstrap)
    producer = Producer(kafka, Metrics("bench", topics=[topics.SESSION_RATED.name]))
    await producer.start()
    try:
        return await send(producer)
    finally:
        await producer.stop()
