"""Fills the topic of ratings with dyads of twelve weekly sessions, ordered by session."""

import asyncio
import random
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
AT_ONCE = 120_000
"""Ratings that are held in memory, whole dyads of them; those of others come after all of these."""
SECRET = b"a secret for benchmarks, 32 byte"
LAST = datetime(2026, 3, 2, 10, tzinfo=UTC)


def mark(rng: random.Random, usual: float) -> float:
    """Return a mark from 1 to 5 about what is usual."""
    return float(min(5, max(1, round(rng.gauss(usual, 0.6)))))


def records(count: int, seed: int = 1, *, first: int = 0, practices: int = PRACTICES) -> list[Outgoing]:
    """Return `count` ratings of `wai-sr`, rounded down to whole dyads, of clients from number `first` on."""
    rng = random.Random(seed + first)
    made = []
    dyads = count // SESSIONS
    usual = [rng.uniform(2.5, 4.8) for _ in range(dyads)]
    for session in range(SESSIONS):
        for number in range(first, first + dyads):
            practice = PracticeId(f"practice-{number % practices}")
            body = RatingBody(
                client_id=f"c{number}",
                therapist_id=f"t{number // 20}",
                session_id=f"c{number}-s{session}",
                session_at=LAST - timedelta(weeks=SESSIONS - session),
                instrument="wai-sr",
                items=tuple(
                    float(min(5, max(1, round(rng.gauss(usual[number - first], 0.6))))) for _ in range(12)
                ),
            )
            key = record_key(SECRET, dyad(practice, body))
            value = session_rated_value(practice, body, accepted_at=LAST, key=key)
            made.append(Outgoing(topics.SESSION_RATED.name, key, value, headers=HEADERS))
    return made


def fill(bootstrap: str, count: int, *, practices: int = PRACTICES) -> int:
    """Publish `count` ratings; return how many were published."""

    async def send() -> int:
        kafka = KafkaSettings(bootstrap_servers=bootstrap)
        producer = Producer(kafka, Metrics("bench", topics=[topics.SESSION_RATED.name]))
        await producer.start()
        sent = 0
        try:
            while count - sent >= SESSIONS:
                made = records(min(AT_ONCE, count - sent), first=sent // SESSIONS, practices=practices)
                for start in range(0, len(made), 2000):
                    await producer.send_all(made[start : start + 2000])
                sent += len(made)
        finally:
            await producer.stop()
        return sent

    return asyncio.run(send())
