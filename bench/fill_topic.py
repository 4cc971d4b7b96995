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
SECRET = b"a secret for benchmarks, 32 byte"
LAST = datetime(2026, 3, 2, 10, tzinfo=UTC)


def records(count: int, seed: int = 1) -> list[Outgoing]:
    """Return `count` ratings of `wai-sr`, rounded down to whole dyads."""
    rng = random.Random(seed)
    made = []
    dyads = count // SESSIONS
    usual = [rng.uniform(2.5, 4.8) for _ in range(dyads)]
    for session in range(SESSIONS):
        for number in range(dyads):
            practice = PracticeId(f"practice-{number % PRACTICES}")
            body = RatingBody(
                client_id=f"c{number}",
                therapist_id=f"t{number // 20}",
                session_id=f"c{number}-s{session}",
                session_at=LAST - timedelta(weeks=SESSIONS - session),
                instrument="wai-sr",
                items=tuple(float(min(5, max(1, round(rng.gauss(usual[number], 0.6))))) for _ in range(12)),
            )
            key = record_key(SECRET, dyad(practice, body))
            value = session_rated_value(practice, body, accepted_at=LAST, key=key)
            made.append(Outgoing(topics.SESSION_RATED.name, key, value, headers=HEADERS))
    return made


def fill(bootstrap: str, count: int) -> int:
    """Publish `count` ratings; return how many were published."""
    made = records(count)

    async def send() -> None:
        kafka = KafkaSettings(bootstrap_servers=bootstrap)
        producer = Producer(kafka, Metrics("bench", topics=[topics.SESSION_RATED.name]))
        await producer.start()
        try:
            for start in range(0, len(made), 2000):
                await producer.send_all(made[start : start + 2000])
        finally:
            await producer.stop()

    asyncio.run(send())
    return len(made)
