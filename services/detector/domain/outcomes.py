"""Lists why a record is rejected, how an accepted delivery can end, and what a batch counts."""

from collections import Counter
from enum import StrEnum

from schemas.events import Change, KeptBack, Status


class RejectionReason(StrEnum):
    """Why a record cannot be processed."""

    UNDECODABLE = "undecodable"
    """Its bytes are not an event of this system. Counts for the fuse."""
    UNEXPECTED_EVENT = "unexpected-event"
    """This event type is not allowed on its topic. Counts for the fuse."""
    INVALID = "invalid"
    """It breaks a rule of ingest, so another producer wrote it; the detail names the field."""
    UNKNOWN_INSTRUMENT = "unknown-instrument"
    """The catalogue has no such instrument."""
    INVALID_MARKS = "invalid-marks"
    """The marks do not fit the instrument: their number, their range, or too many missing."""
    ID_REUSED = "id-reused"
    """It belongs to another rating, or to another body with the same `recorded_at`; the first read wins."""
    TOO_MANY_SESSIONS = "too-many-sessions"
    """The course of therapy has 5,000 sessions; those read first count, and only they can be corrected."""


class BlockReason(StrEnum):
    """Why an accepted record waits; it takes effect as soon as this no longer holds."""

    SESSION_IN_OTHER_DYAD = "session-in-other-dyad"
    """The client's session is rated under another therapist or case; withdraw that rating."""
    MODEL_NOT_LOADED = "model-not-loaded"
    """The practice is mapped to a model that the detector has not loaded."""
    MANY_SESSIONS = "many-sessions"
    """More sessions of the client would be assessed at once than one batch takes; they follow in turn."""


class DeliveryOutcome(StrEnum):
    """How an accepted delivery ended; each is exactly one of these."""

    ASSESSED = "assessed"
    STORED = "stored"
    """It is no rating of the alliance by the client: it is kept beside them, and never scored."""
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    """It waits for one of `BlockReason`, and will be one of the others."""
    ERASED = "erased"
    """Its client, its therapist or its whole practice was erased after it was accepted."""


class Count(StrEnum):
    """What happened in a batch, beside outcomes of deliveries, changes of episodes and forms given."""

    TOLD = "told"
    """A change of an episode that its therapist is to be told."""
    PUBLISHED = "published"
    """An assessment whose numbers were new."""
    REFOLDED = "refolded"
    """A history that was folded from its start instead of from its snapshot."""
    FLAGGED = "flagged"
    """A session that was flagged when it was assessed for the first time."""
    HEARTBEATS = "heartbeats"
    HEARTBEATS_OFF = "heartbeats-off"
    """A heartbeat whose risk differed from the expected one."""


BatchCounts = Counter[Count | DeliveryOutcome | Change | KeptBack | Status]
