"""Each practice's share of one replica: its pace, its turn, its records and batches under way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.ids import PracticeId
from services.ingest.settings import IngestSettings

KEPT_FOR_SINGLES = 0.2
"""A batch leaves this part of the pace alone: a history on its way does not shut out today's ratings."""
PRACTICE_PART = 0.5
"""This part of the bound of unacknowledged records one practice may hold, so that others find room."""


class TokenBucket:
    """Tokens come at a steady rate, up to one second's worth; each rating takes one."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._monotonic = monotonic
        self._tokens = self._most
        self._at = monotonic()

    def take(self, tokens: int, keep: float = 0.0) -> float:
        """Take `tokens` and leave the part `keep` (0 to 1) of a full bucket; seconds to wait if that is not
        possible now (nothing is taken then), else 0. More than a full bucket is lent to who finds it full.
        """
        now = self._monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        missing = min(self._most, tokens + keep * self._most) - self._tokens
        if missing > 1e-9:
            return missing / self._per_second
        self._tokens -= tokens
        return 0.0


@dataclass(slots=True)
class Share:
    """What one practice uses of this replica now."""

    bucket: TokenBucket
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its batches wait for tokens one after the other."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Its batches are validated one after the other, so that other practices' requests come in between."""
    streams: int = 0
    unacknowledged: int = 0


class Shares:
    """All shares, and what they come to. Holds counts only, nothing of any rating."""

    def __init__(self, settings: IngestSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._shares: dict[PracticeId, Share] = {}
        self._freed = asyncio.Event()
        self.unacknowledged = 0

    def of(self, practice: PracticeId) -> Share:
        """The practice's share. There are as many as the credentials grant, so none is ever dropped."""
        share = self._shares.get(practice)
        if share is None:
            share = Share(TokenBucket(self._settings.ratings_per_second, self._monotonic))
            self._shares[practice] = share
        return share

    def has_room(self, practice: PracticeId) -> bool:
        """Another record of the practice may be handed to Kafka."""
        most = self._settings.max_unacknowledged
        own = self.of(practice).unacknowledged
        return self.unacknowledged < most and own < max(1, most * PRACTICE_PART)

    async def room(self, practice: PracticeId, within_s: float) -> bool:
        """Wait until there is room; false when there was none for `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                while not self.has_room(practice):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True

    def hand_over(self, practice: PracticeId, records: int) -> None:
        """Count records that were handed to Kafka."""
        self.of(practice).unacknowledged += records
        self.unacknowledged += records

    def settle(self, practice: PracticeId, records: int) -> None:
        """Count records that Kafka acknowledged or gave up on, whether anyone still waits for them or not."""
        self.of(practice).unacknowledged -= records
        self.unacknowledged -= records
        self._freed.set()
