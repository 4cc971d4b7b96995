"""Limits each practice's use of a replica: ratings per second, open batches, unacknowledged records."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.ids import PracticeId
from services.ingest.settings import IngestSettings

NO_PRACTICE = PracticeId("")
"""Stands for the service itself where a practice is asked for: its heartbeats take no practice's room."""
RESERVED_FOR_SINGLES = 0.2
"""Share of the rate that batches leave free, so that loading a history does not block today's ratings."""
MAX_PRACTICE_SHARE = 0.5
"""Share of the unacknowledged records that one practice may hold, so that others find room."""


class TokenBucket:
    """Fills with tokens at a steady rate, up to one second's worth; each rating takes one."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._monotonic = monotonic
        self._tokens = self._capacity
        self._at = monotonic()

    def take(self, tokens: int, keep: float = 0.0) -> float:
        """Take `tokens` and return 0, or take nothing and return the seconds to wait.

        A share `keep` (0 to 1) of a full bucket must be left. A caller that finds the bucket full may take
        more than it holds; the next ones then wait longer.
        """
        now = self._monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        missing = min(self._capacity, tokens + keep * self._capacity) - self._tokens
        if missing > 1e-9:
            return missing / self._per_second
        self._tokens -= tokens
        return 0.0


@dataclass(slots=True)
class PracticeQuota:
    """What one practice currently uses of this replica."""

    bucket: TokenBucket
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a batch of the practice waits for tokens: one batch at a time."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while lines of the practice are validated, so that other practices' requests come in between."""
    streams: int = 0
    """Open batches."""
    unacknowledged: int = 0
    """Records sent to Kafka and not settled yet."""


class Quotas:
    """The quotas of all practices and their sum. Holds counts only, no part of a rating."""

    def __init__(self, settings: IngestSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._quotas: dict[PracticeId, PracticeQuota] = {}
        self._freed = asyncio.Event()
        self.unacknowledged = 0

    def of(self, practice: PracticeId) -> PracticeQuota:
        """Return the practice's quota. None is ever dropped: the credentials limit their number."""
        quota = self._quotas.get(practice)
        if quota is None:
            quota = PracticeQuota(TokenBucket(self._settings.ratings_per_second, self._monotonic))
            self._quotas[practice] = quota
        return quota

    def has_room(self, practice: PracticeId) -> bool:
        """Return whether the practice may send another record to Kafka."""
        most = self._settings.max_unacknowledged
        own = self.of(practice).unacknowledged
        of_practices = self.unacknowledged - self.of(NO_PRACTICE).unacknowledged
        return of_practices < most and own < max(1, most * MAX_PRACTICE_SHARE)

    async def wait_for_room(self, practice: PracticeId, within_s: float) -> bool:
        """Wait until there is room; return False if there is none within `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                while not self.has_room(practice):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True

    def hand_over(self, practice: PracticeId, records: int) -> None:
        """Count records that are sent to Kafka."""
        self.of(practice).unacknowledged += records
        self.unacknowledged += records

    def settle(self, practice: PracticeId, records: int) -> None:
        """Count records that were acknowledged or failed, whether a caller still waits for them or not."""
        self.of(practice).unacknowledged -= records
        self.unacknowledged -= records
        self._freed.set()
