"""The objects that the stages work with, built once in `app.py` and passed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.instruments.catalogue import Catalogue
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import Publisher
from services.ingest.quota import Quotas
from services.ingest.settings import IngestSettings
from services.runtime.http.credentials import CredentialStore
from services.runtime.process.clock import Clock


class AcceptanceClock:
    """Gives each rating the time of its acceptance, always later than the one before.

    So the later of two versions of a rating is the current one, also when both arrive in one batch.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = now()

    def next(self) -> datetime:
        """Return a time in UTC, at least one microsecond after the last one."""
        self._last = max(self._now(), self._last + timedelta(microseconds=1))
        return self._last


@dataclass(frozen=True, slots=True)
class IngestContext:
    """Everything the stages need. No part of it stores a rating."""

    settings: IngestSettings
    credentials: CredentialStore
    key_secret: bytes = field(repr=False)
    """The secret of the keyed hash that makes record keys."""
    instruments: Catalogue
    clock: Clock
    acceptance_clock: AcceptanceClock
    quotas: Quotas
    publisher: Publisher
    metrics: IngestMetrics
