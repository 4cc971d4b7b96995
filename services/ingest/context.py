"""What the stages work with, built once in `app.py` and handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.instruments.catalogue import Catalogue
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import Publisher
from services.ingest.quota import Shares
from services.ingest.settings import IngestSettings
from services.runtime.http.credentials import CredentialStore
from services.runtime.process.clock import Clock


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
