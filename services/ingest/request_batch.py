"""What travels through the stages: one rating, or one group of a batch's lines, and what became of each."""

from dataclasses import dataclass, field

from schemas.ids import PracticeId, RatingId
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import FormScores
from services.ingest.ndjson import Line
from services.ingest.refusal import Refusal
from services.runtime.kafka.record import Outgoing

NOBODY = PracticeId("")


@dataclass(frozen=True, slots=True)
class Caller:
    """What the headers say of who is calling."""

    authorization: str | None = field(repr=False)
    practice: str | None


@dataclass(frozen=True, slots=True)
class Scored:
    """A form's scores, with the instrument that says their units; no scores for a form that has no marks."""

    instrument: Instrument
    scores: FormScores | None


@dataclass(slots=True)
class Draft:
    """One rating on its way: each stage fills in what it finds out, or says why it goes no further."""

    line: Line
    rating_id: RatingId | None = None
    scored: Scored | None = None
    record: Outgoing | None = None
    refusal: Refusal | None = None


@dataclass(slots=True)
class Parcel:
    """The ratings that go through the stages together, and on whose behalf."""

    caller: Caller
    drafts: list[Draft]
    practice: PracticeId = NOBODY
    """Set by the first stage from the caller's key, never from what was sent."""
    answer: bytes = b""
    """Set by the last stage: the body of the answer, or a piece of it."""

    @property
    def going(self) -> list[Draft]:
        """The drafts that nothing speaks against so far."""
        return [draft for draft in self.drafts if draft.refusal is None]

    def refuse(self, refusal: Refusal) -> None:
        """Refuse all that are still going, for one reason."""
        for draft in self.going:
            draft.refusal = refusal
