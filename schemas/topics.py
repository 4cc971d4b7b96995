"""Defines the topics: the only place that states their names, partitions and retention."""

from dataclasses import dataclass

PARTITIONS = 24
"""Fixed at creation: more partitions need a new version of the topic, because keys would move."""

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: records have a dyad's keyed hash as key and are deleted after `retention_ms`."""

    name: str
    retention_ms: int
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int = PARTITIONS


SESSION_RATED = Topic("alliance.session-rated.v1", 30 * DAY_MS, ("ingest",), ("detector",))
ASSESSED = Topic("alliance.assessed.v1", 14 * DAY_MS, ("detector",), ("notifier",))
EPISODE_CHANGED = Topic("alliance.episode-changed.v1", 14 * DAY_MS, ("detector",), ("notifier",))
THERAPIST_RESPONDED = Topic("alliance.therapist-responded.v1", 14 * DAY_MS, ("notifier",), ("detector",))
REJECTED = Topic("alliance.rejected.v1", 14 * DAY_MS, ("ingest", "detector", "notifier"), ())

ALL = (SESSION_RATED, ASSESSED, EPISODE_CHANGED, THERAPIST_RESPONDED, REJECTED)
CO_PARTITIONED = ALL
"""Topics with the same keys and the same number of partitions, which every service checks at its start: a
derived record goes to the partition number of its input."""
