"""Defines the topics: the only place that states their names, partitions and retention."""

from dataclasses import dataclass

PARTITIONS = 24
"""Fixed at creation: more partitions need a new version of the topic, because keys would move."""

DAY_MS = 24 * 60 * 60 * 1000
SEGMENT_MS = DAY_MS
"""Kafka deletes whole segments, so a record may outlive the retention by the time that a segment spans."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: records have a dyad's keyed hash as key and are deleted after `retention_ms`."""

    name: str
    retention_ms: int
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int = PARTITIONS
    compared_by: tuple[str, ...] = ()
    """Writers that read the topic, too, to compare it with a database that was restored."""


SESSION_RATED = Topic("alliance.session-rated.v1", 30 * DAY_MS, ("ingest",), ("detector",))
SESSION_HISTORY_RATED = Topic("alliance.session-history-rated.v1", 30 * DAY_MS, ("ingest",), ("detector",))
"""Ratings that their sender marks as history: the same events, read when nothing waits elsewhere."""
ASSESSED = Topic("alliance.assessed.v1", 14 * DAY_MS, ("detector",), ("notifier",), compared_by=("detector",))
EPISODE_CHANGED = Topic(
    "alliance.episode-changed.v1", 14 * DAY_MS, ("detector",), ("notifier",), compared_by=("detector",)
)
THERAPIST_RESPONDED = Topic(
    "alliance.therapist-responded.v1", 14 * DAY_MS, ("notifier",), ("detector",), compared_by=("notifier",)
)
REJECTED = Topic("alliance.rejected.v1", 14 * DAY_MS, ("detector", "notifier"), ())

LANES = (SESSION_RATED, SESSION_HISTORY_RATED)
"""The topics of ratings. Tables name them by their number in this list, so new ones are added at its end."""
ALL = (SESSION_RATED, SESSION_HISTORY_RATED, ASSESSED, EPISODE_CHANGED, THERAPIST_RESPONDED, REJECTED)
CO_PARTITIONED = ALL
"""Topics with the same keys and the same number of partitions, which every service checks at its start: a
derived record goes to the partition number of its input."""
GROUPS = {"detector": "rapport-detector", "notifier": "rapport-notifier"}
"""The consumer group of each service that reads topics."""
