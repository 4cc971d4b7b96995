"""What the stages work with, built once in `app.py` and handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.instruments.loader import Catalogue
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import Publisher
from services.ingest.settings import IngestSettings
from services.ingest.share import Shares
from services.runtime.clock import Clock
from services.runtime.credentials import CredentialStore


class Stamp:
    """When ratings are accepted: the clock's time, always later than the last one, so that of two versions of
    a rating the one that came later is current, also when both came in one batch."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = now()

    def next(self) -> datetime:
        """A moment in UTC, at least a microsecond after the one before."""
        self._last = max(self._now(), self._last + timedelta(microseconds=1))
        return self._last


@dataclass(frozen=True, slots=True)
class Door:
    """Everything the stages need. None of it remembers a rating."""

    settings: IngestSettings
    credentials: CredentialStore
    key_secret: bytes = field(repr=False)
    instruments: Catalogue
    clock: Clock
    stamp: Stamp
    shares: Shares
    publisher: Publisher
    metrics: IngestMetrics
