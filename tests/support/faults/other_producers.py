"""Writes records to the log as producers of other versions do: one that is older than today's, one newer."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

from schemas.ids import PracticeId, record_key
from schemas.rating import RatingBody
from schemas.rating_order import dyad
from schemas.releases import RELEASED
from schemas.session_rated import session_rated_value
from schemas.topics import SESSION_RATED
from services.cli.demo.input_ratings import InputRating
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.history import Ending
from tests.support.faults.sender import prepare

FIRST_RELEASE = RELEASED / "0.1.0"
Event = dict[str, Any]


def as_older(event: Event) -> Event:
    """Return an event without the fields of its data that the first release did not have."""
    schema = json.loads((FIRST_RELEASE / "events" / f"{event['type']}.json").read_text(encoding="utf-8"))
    name = schema["properties"]["data"]["$ref"].rpartition("/")[2]
    known = schema["$defs"][name]["properties"]
    return event | {"data": {field: value for field, value in event["data"].items() if field in known}}


def as_newer(event: Event) -> Event:
    """Return an event with fields that no version has yet, before and after the known ones."""
    unknown: Event = {"added": {"later": [1, None, "x"]}, "hint": "x" * 200}
    return {
        "dataschema": "x",
        **event,
        "traceparent": "00-0-0-00",
        "data": {**unknown, **event["data"], "z": 0},
    }


AS_IT_IS: Callable[[Event], Event] = dict
VERSIONS = (as_older, as_newer, AS_IT_IS)


class LogWriter:
    """Writes records with the partitioner that all producers have to use."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0}
        )

    def write(self, topic: str, key: str, event: Event) -> None:
        """Write one event; `flush` waits for its acknowledgement."""
        self._producer.produce(topic, key=key, value=json.dumps(event))

    def flush(self) -> None:
        """Return once everything is acknowledged."""
        assert self._producer.flush(60) == 0


def write_ratings(run: FaultRun, ratings: Sequence[InputRating]) -> int:
    """Write a run's ratings past ingest, in turn as each version would; return how many were valid."""
    secret = run.fleet.home.secret("record-key").read_text(encoding="utf-8").strip().encode()
    writer = LogWriter(run.fleet.kafka.bootstrap)
    noted = []
    for rating in ratings:
        if rating.expected == "refused":
            continue
        practice = run.practice_of(rating)
        body = RatingBody.model_validate(rating.body)
        key = record_key(secret, dyad(PracticeId(practice), body))
        value = session_rated_value(PracticeId(practice), body, accepted_at=datetime.now(UTC), key=key)
        noted.append(run.history.invoke(prepare(practice, rating.body).sent))
        event = VERSIONS[len(noted) % len(VERSIONS)](json.loads(value))
        writer.write(SESSION_RATED.name, key.decode(), event)
    writer.flush()
    for number in noted:
        run.history.end(number, Ending.OK)
    return len(noted)


def write_events(run: FaultRun, events: Iterable[tuple[str, Event]]) -> None:
    """Write events to these topics, each with its subject as key."""
    writer = LogWriter(run.fleet.kafka.bootstrap)
    for topic, event in events:
        writer.write(topic, event["subject"], event)
    writer.flush()
