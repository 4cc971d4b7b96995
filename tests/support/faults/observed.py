"""Reads what became of some practices' ratings: the log, what was published, tables, mails, webhook calls."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.ids import Dyad, DyadId
from schemas.topics import ASSESSED, EPISODE_CHANGED, LANES
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.runtime.kafka.record import Record
from tests.support.faults.history import Operation
from tests.support.faults.oracle import ExpectedAssessment, ExpectedEpisode, Place, RatingKey, is_of

Answer = TypeVar("Answer")
Ends = dict[tuple[str, int], int]
"""Offsets by topic and partition."""
RATINGS = tuple(topic.name for topic in LANES)
"""The topics of ratings; each one's place in this list is its lane."""
TOPICS = (*RATINGS, ASSESSED.name, EPISODE_CHANGED.name)


class Stored(NamedTuple):
    """A current assessment, and how often it was published."""

    assessment: ExpectedAssessment
    revision: int


class ChangeKey(NamedTuple):
    """One change of an episode."""

    episode_id: UUID
    revision: int


class Delivery(NamedTuple):
    """One mail or webhook call as the notifier has recorded it."""

    id: str
    channel: str
    state: str


@dataclass(slots=True)
class Observed:
    """All that the checker looks at; every field is complete for the practices of one run."""

    operations: Sequence[Operation] = ()
    log: Sequence[Record] = ()
    published: Sequence[Record] = ()
    outcomes: Mapping[Place, Sequence[str]] = field(default_factory=dict)
    """What the tables say of each record of the logs of ratings: one word each."""
    assessments: Mapping[RatingKey, Stored] = field(default_factory=dict)
    episodes: Sequence[ExpectedEpisode] = ()
    changes: Sequence[ChangeKey] = ()
    """The changes of episodes that the detector has stored."""
    decided: Sequence[ChangeKey] = ()
    """The changes that the notifier has decided upon."""
    items: int = 0
    episodes_told: int = 0
    deliveries: Sequence[Delivery] = ()
    mails: Sequence[str] = ()
    """The ids of the mails that were received, in order."""
    webhooks: Sequence[str] = ()
    lost: frozenset[str] = frozenset()
    """The ids of ratings that a repair has named as gone from the log."""


def log_ends(bootstrap: str) -> Ends:
    """Return the end of each partition of the topics that are looked at."""
    return {(topic, number): ends[1] for (topic, number), ends in _watermarks(bootstrap).items()}


def _watermarks(bootstrap: str) -> dict[tuple[str, int], tuple[int, int]]:
    return patiently(lambda: _watermarks_now(bootstrap))


def patiently(ask: Callable[[], Answer], deadline_s: float = 60.0) -> Answer:
    """Ask a broker that may have started just now again until it answers."""
    ends = time.monotonic() + deadline_s
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)


def _watermarks_now(bootstrap: str) -> dict[tuple[str, int], tuple[int, int]]:
    consumer = _consumer(bootstrap)
    try:
        known = consumer.list_topics(timeout=10).topics
        places = [(topic, number) for topic in TOPICS for number in known[topic].partitions]
        return {
            (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            for topic, number in places
        }
    finally:
        consumer.close()


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "checker", "enable.auto.commit": False, "log_level": 0}
    )


def read_log(bootstrap: str, since: Ends) -> list[Record]:
    """Return the records of the topics that are looked at from these offsets on, each partition in order.

    What is written meanwhile, such as heartbeats, is left out.
    """
    consumer = _consumer(bootstrap)
    records = []
    try:
        ends, unread = {}, 0
        places = []
        for (topic, number), (low, high) in _watermarks(bootstrap).items():
            begin = max(low, min(since.get((topic, number), 0), high))
            ends[topic, number] = high
            unread += high - begin
            places.append(TopicPartition(topic, number, begin))
        consumer.assign(places)
        while unread:
            message = consumer.poll(30)
            assert message is not None, "a topic ended before its end"
            assert message.error() is None, message.error()
            place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
            if place[2] < ends[place[:2]]:
                unread -= 1
                records.append(Record(*place, 0, message.key(), message.value()))
    finally:
        consumer.close()
    return records


def _is_about(record: Record, practices: frozenset[str]) -> bool:
    try:
        event = json.loads(record.value or b"{}")
    except (ValueError, RecursionError):  # written by a test to be rejected, as what is no event below
        return False
    data = event.get("data") if isinstance(event, dict) else None
    practice = data.get("practice_id") if isinstance(data, dict) else None
    return isinstance(practice, str) and practice in practices


def of_practices(records: Sequence[Record], practices: frozenset[str]) -> tuple[list[Record], list[Record]]:
    """Return the records of these practices: those of the log of ratings, and those that were published."""
    log = [one for one in records if one.topic in RATINGS and is_of(one, practices)]
    rest = [one for one in records if one.topic not in RATINGS]
    return log, [one for one in rest if _is_about(one, practices)]


_OUTCOMES = """
SELECT lane, partition, "offset", outcome FROM (
    SELECT (SELECT c.cluster_id FROM detector.log_cluster c WHERE c.number = cluster) AS cluster_id,
        lane, partition, "offset", 'rating' AS outcome
    FROM detector.rating
    WHERE practice_id = ANY(%(practices)s)
    UNION ALL
    SELECT cluster_id, lane, partition, "offset", CASE WHEN superseded THEN 'rating' ELSE 'duplicate' END
    FROM detector.duplicate WHERE practice_id = ANY(%(practices)s)
    UNION ALL
    SELECT cluster_id, array_position(%(topics)s, topic) - 1, partition, "offset", 'rejected'
    FROM detector.rejection
    WHERE topic = ANY(%(topics)s) AND (tenant = ANY(%(practices)s) OR tenant IS NULL)
    UNION ALL
    SELECT cluster_id, array_position(%(topics)s, topic) - 1, partition, "offset", 'blocked'
    FROM detector.blocked WHERE topic = ANY(%(topics)s) AND practice_id = ANY(%(practices)s)
) o JOIN detector.cluster USING (cluster_id)
"""
_ASSESSMENTS = """
SELECT d.practice_id, d.therapist_id, d.client_id, d.case_id, a.session_id, a.instrument, a.rating_id, a.risk,
    a.threshold, a.level, a.flagged, a.step, a.numbers, a.revision, a.session_at, a.model_version
FROM detector.assessment a JOIN detector.dyad d USING (dyad_id) WHERE a.practice_id = ANY(%(practices)s)
"""
_EPISODES = """
SELECT dyad_id, opened_session, opened_at, closed_at, state FROM detector.episode
WHERE state <> 'withdrawn' AND practice_id = ANY(%(practices)s)
"""
_CHANGES = "SELECT episode_id, revision FROM detector.episode_change WHERE practice_id = ANY(%(practices)s)"
_DECIDED = "SELECT episode_id, revision FROM notifier.change WHERE practice_id = ANY(%(practices)s)"
_ITEMS = "SELECT count(*) FROM notifier.item WHERE practice_id = ANY(%(practices)s)"
_TOLD = """
SELECT count(DISTINCT episode_id) FROM notifier.decision
WHERE channel = 'inbox' AND outcome = 'told' AND practice_id = ANY(%(practices)s)
"""
_DELIVERIES = """
SELECT delivery_id::text, channel, state FROM notifier.delivery
WHERE purpose = 'episode' AND practice_id = ANY(%(practices)s)
"""


def read_tables(database_url: str, practices: Sequence[str], since: Ends) -> Observed:
    """Return what the tables hold of these practices; records before `since` are left out."""
    given = {"practices": list(practices), "topics": list(RATINGS)}
    found = Observed()
    with psycopg.connect(database_url) as conn:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return conn.execute(query.encode(), given, binary=True).fetchall()

        outcomes: dict[Place, list[str]] = {}
        for lane, partition, offset, outcome in rows(_OUTCOMES):
            if offset >= since.get((RATINGS[lane], partition), 0):
                outcomes.setdefault(Place(lane, partition, offset), []).append(outcome)
        found.outcomes = outcomes
        found.assessments = dict(map(_stored, rows(_ASSESSMENTS)))
        found.episodes = [_episode(*row) for row in rows(_EPISODES)]
        found.changes = [ChangeKey(*row) for row in rows(_CHANGES)]
        found.decided = [ChangeKey(*row) for row in rows(_DECIDED)]
        found.items = rows(_ITEMS)[0][0]
        found.episodes_told = rows(_TOLD)[0][0]
        found.deliveries = [Delivery(*row) for row in rows(_DELIVERIES)]
    return found


def _stored(row: tuple[Any, ...]) -> tuple[RatingKey, Stored]:
    key = RatingKey(Dyad(*row[:4]), row[4], row[5])
    rating, risk, threshold, level, flagged, step, kept, revision, at, model = row[6:]
    numbers = published_numbers(kept, InColumns(rating, at, model, risk, threshold))
    return key, Stored(ExpectedAssessment(rating, risk, threshold, level, flagged, step, numbers), revision)


def _episode(
    dyad: UUID, opened_session: str, opened_at: datetime, closed_at: datetime | None, state: str
) -> ExpectedEpisode:
    return ExpectedEpisode(DyadId(dyad), opened_session, opened_at, closed_at, state)


def read_sink(file: Path, practices: frozenset[str]) -> list[str]:
    """Return the ids of the messages that a sink has received for these practices, in order."""
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line["id"] for line in lines if line["practice"] in practices]
