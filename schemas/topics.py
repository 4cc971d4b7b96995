"""The topics: the only place that spells a name, its key, its partitions and its retention."""

from dataclasses import dataclass

PARTITIONS = 24
"""Fixed at creation: growing means a new topic version, because keys would move."""

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: records are keyed by the dyad's keyed hash and deleted after `retention_ms`."""

    name: str
    retention_ms: int
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int = PARTITIONS


SESSION_RATED = Topic("alliance.session-rated.v1", 30 * DAY_MS, ("ingest",), ("detector",))
ASSESSED = Topic("alliance.assessed.v1", 14 * DAY_MS, ("detector",), ())
EPISODE_CHANGED = Topic("alliance.episode-changed.v1", 14 * DAY_MS, ("detector",), ("notifier",))
THERAPIST_RESPONDED = Topic("alliance.therapist-responded.v1", 14 * DAY_MS, ("notifier",), ("detector",))
REJECTED = Topic("alliance.rejected.v1", 14 * DAY_MS, ("ingest", "detector", "notifier"), ())

ALL = (SESSION_RATED, ASSESSED, EPISODE_CHANGED, THERAPIST_RESPONDED, REJECTED)
CO_PARTITIONED = ALL
"""A derived record goes to its input's partition number: right only while all of these have the same key
and the same number of partitions, which every service checks at its start."""
