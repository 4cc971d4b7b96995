"""A run in which nothing went wrong, made from the oracle, for tests to spoil."""

import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from schemas.topics import ASSESSED, EPISODE_CHANGED
from services.detector.received import RatedEvent, arriving
from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import body, record_of
from tests.support.faults.fault_run import shipped_model
from tests.support.faults.history import Ending, Operation, Sent
from tests.support.faults.observed import ChangeKey, Delivery, Observed, Stored
from tests.support.faults.oracle import Expectation, expect

HIGH, LOW = [5.0] * 9, [1.0] * 9
SENT: list[dict[str, Any]] = [
    body(number, HIGH if number < 6 else LOW, id=f"rating-{number}") for number in range(-6, 8)
]
CHANGE = ChangeKey(uuid5(NAMESPACE_URL, "episode"), 1)
DELIVERY = str(uuid5(NAMESPACE_URL, "delivery"))


def log() -> list[Record]:
    """Return a log in which the last rating was delivered twice."""
    return [record_of(sent, offset) for offset, sent in enumerate([*SENT, SENT[-1]])]


@cache
def expected_of_log() -> Expectation:
    """Return what the oracle says of the log."""
    return expect(log(), *shipped_model(), date(2026, 3, 3))


@pytest.fixture
def expected() -> Expectation:
    """Return what the oracle says of the log."""
    return expected_of_log()


@pytest.fixture
def seen() -> Observed:
    """Return what is observed of a run in which nothing went wrong."""
    expected = expected_of_log()
    return Observed(
        operations=operations(log()),
        log=log(),
        published=published(expected),
        outcomes={place: [outcome] for place, outcome in expected.outcomes.items()},
        assessments={key: Stored(one, 1) for key, one in expected.assessments.items()},
        episodes=list(expected.episodes),
        changes=[CHANGE],
        decided=[CHANGE],
        items=1,
        episodes_told=1,
        deliveries=[Delivery(DELIVERY, "email", "sent")],
        mails=[DELIVERY],
    )


def operations(records: Sequence[Record]) -> list[Operation]:
    """Return one successful operation for each delivery."""
    found = []
    for number, record in enumerate(records, 1):
        event = arriving.decode(record.value or b"")
        assert isinstance(event, RatedEvent)
        sent = Sent(event.data.practice_id, event.data.rating_id, event.data.content_hash)
        found.append(Operation(number, sent, float(number), Ending.OK, number + 0.1))
    return found


def published(expected: Expectation) -> list[Record]:
    """Return what is published of each assessment, and of the change."""
    records: list[Record] = []
    for key, one in expected.assessments.items():
        data = {**key.dyad._asdict(), "session_id": key.session_id, "instrument": key.instrument}
        data |= {"rating_id": one.rating_id, "risk": one.risk, "revision": 1}
        records.append(_record(ASSESSED.name, len(records), f"assessed-{len(records)}", data))
    change = {"practice_id": "north", "episode_id": str(CHANGE.episode_id), "revision": CHANGE.revision}
    return [*records, _record(EPISODE_CHANGED.name, 0, "changed", change)]


def _record(topic: str, offset: int, event_id: str, data: dict[str, Any]) -> Record:
    value = json.dumps({"id": event_id, "type": topic, "data": data}).encode()
    return Record(topic, 0, offset, 0, b"key", value)
