"""The closed list of what a batch counts for the metrics."""

from collections import Counter
from enum import StrEnum

from schemas.events import Change, KeptBack, Status
from services.detector.domain.reasons import DeliveryOutcome


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
