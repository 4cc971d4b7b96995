"""The closed lists of this service: why a record is rejected, and what became of a delivery."""

from enum import StrEnum


class RejectionReason(StrEnum):
    """Why a record cannot be taken up."""

    UNDECODABLE = "undecodable"
    """Its bytes are no event of this system. Counts for the fuse."""
    UNEXPECTED_EVENT = "unexpected-event"
    """An event that has no place on its topic. Counts for the fuse."""
    UNKNOWN_INSTRUMENT = "unknown-instrument"
    """No such instrument is described here."""
    INVALID_MARKS = "invalid-marks"
    """The marks do not fit the instrument: their number, their range, or too many missing."""
    ID_REUSED = "id-reused"
    """The id belongs to a rating with another body; the first one read wins."""
    SESSION_IN_OTHER_DYAD = "session-in-other-dyad"
    """The session is rated under another therapist, client or case; withdraw that rating first."""


class DeliveryOutcome(StrEnum):
    """What became of an accepted delivery; every one ends as exactly one of these."""

    ASSESSED = "assessed"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
