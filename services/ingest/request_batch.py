"""Defines what passes through the stages: ratings, who sent them, their trace, and what the stages share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fastapi import Request

from schemas.envelope import HEADERS
from schemas.fhir.references import NOTHING_ALONG, Along
from schemas.fhir.response_rating import ResponseRating
from schemas.ids import PracticeId, RatingId
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import FormScores
from schemas.topics import SESSION_HISTORY_RATED, SESSION_RATED, Topic
from services.ingest.metrics import IngestMetrics
from services.ingest.ndjson import BodyLine
from services.ingest.publisher import Publisher
from services.ingest.quota import NO_PRACTICE, Quotas
from services.ingest.refusal import Refusal
from services.ingest.settings import IngestSettings
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.request_body import BodyLimits
from services.runtime.kafka.record import Headers, Outgoing
from services.runtime.process.clock import Clock
from services.runtime.process.tracer import HEADER, Attributes, current_tracer


@dataclass(frozen=True, slots=True)
class Caller:
    """What the headers say about the caller."""

    authorization: str | None = field(repr=False)
    practice: str | None


@dataclass(frozen=True, slots=True)
class ScoredForm:
    """A form's scores and the instrument that defines their units; None for a form without marks."""

    instrument: Instrument
    scores: FormScores | None
    total: float | None = None
    """The total of an instrument that is not scored."""


@dataclass(slots=True)
class RatingAttempt:
    """One rating that a caller tries to send; each stage fills in its result, or the refusal."""

    line: BodyLine
    rating_id: RatingId | None = None
    scored: ScoredForm | None = None
    record: Outgoing | None = None
    refusal: Refusal | None = None
    meaning: ResponseRating | None = None
    """With FHIR: the rating that the response means."""


@dataclass(slots=True)
class RequestBatch:
    """The ratings that go through the stages together: a single one, or a group of a batch's lines."""

    caller: Caller
    attempts: list[RatingAttempt]
    practice: PracticeId = NO_PRACTICE
    """Set by the first stage from the caller's key, never from the body."""
    topic: Topic = SESSION_RATED
    """The topic that its ratings are published to."""
    along: Along = NOTHING_ALONG
    """With FHIR: the other resources of the bundle."""
    location: str = ""
    """With FHIR: the address of the rating, set by the last stage."""
    headers: Headers = HEADERS
    """The headers of the records that its ratings become."""
    response_body: bytes = b""
    """Set by the last stage: the response's body, or the part of it for these lines."""

    @property
    def pending(self) -> list[RatingAttempt]:
        """The attempts that are not refused so far."""
        return [attempt for attempt in self.attempts if attempt.refusal is None]

    def refuse(self, refusal: Refusal) -> None:
        """Refuse all pending attempts for one reason."""
        for attempt in self.pending:
            attempt.refusal = refusal


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
    """Everything the stages need, built once in `app.py`. No part of it stores a rating."""

    settings: IngestSettings
    single_limits: BodyLimits
    """The limits of the body of a single rating."""
    batch_limits: BodyLimits
    bundle_limits: BodyLimits
    """The limits of the body of a FHIR resource."""
    credentials: CredentialStore
    key_secret: bytes = field(repr=False)
    """The secret of the keyed hash that makes record keys."""
    instruments: Catalogue
    clock: Clock
    acceptance_clock: AcceptanceClock
    quotas: Quotas
    publisher: Publisher
    metrics: IngestMetrics


@contextmanager
def traced(batch: RequestBatch) -> Iterator[None]:
    """Trace the stages of a batch; one that is refused as a whole is marked as failed."""
    tracer = current_tracer()
    if tracer is None:
        yield
        return
    about: Attributes = {"messaging.destination.name": batch.topic.name, "rapport.lines": len(batch.attempts)}
    span = tracer.begin("ingest ratings", about, is_request=True)
    batch.headers = (*batch.headers, (HEADER, span.header))
    failed = True
    try:
        yield
        failed = False
    finally:
        span.end(failed=failed)


def context_of(request: Request) -> IngestContext:
    """Return what the stages share."""
    context: IngestContext = request.app.state.context
    return context


def topic_of(*, history: bool) -> Topic:
    """Return the topic of ratings that are history, or of the others."""
    return SESSION_HISTORY_RATED if history else SESSION_RATED


def caller_of(request: Request) -> Caller:
    """Return what the headers say about the caller."""
    return Caller(request.headers.get("authorization"), request.headers.get("rapport-practice"))
