"""Defines what instruments measure."""

from enum import StrEnum


class InstrumentKind(StrEnum):
    """What an instrument measures, and so what becomes of its ratings."""

    ALLIANCE = "alliance"
    """The client rates the alliance: the only kind that is scored and can cause a message."""
    OUTCOME = "outcome"
    """The client rates how they are: stored and drawn beside the alliance, never scored."""
    THERAPIST = "therapist"
    """The therapist rates the alliance: stored and drawn beside the client's marks, never scored."""
