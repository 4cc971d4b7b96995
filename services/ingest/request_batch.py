"""The values that go through the stages: a request's ratings, and what each stage finds out about them."""

from dataclasses import dataclass, field

from schemas.ids import PracticeId, RatingId
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import FormScores
from services.ingest.ndjson import BodyLine
from services.ingest.refusal import Refusal
from services.runtime.kafka.record import Outgoing

NO_PRACTICE = PracticeId("")


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


@dataclass(slots=True)
class RatingAttempt:
    """One rating that a caller tries to send; each stage fills in its result, or the refusal."""

    line: BodyLine
    rating_id: RatingId | None = None
    scored: ScoredForm | None = None
    record: Outgoing | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class RequestBatch:
    """The ratings that go through the stages together: a single one, or a group of a batch's lines."""

    caller: Caller
    attempts: list[RatingAttempt]
    practice: PracticeId = NO_PRACTICE
    """Set by the first stage from the caller's key, never from the body."""
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
