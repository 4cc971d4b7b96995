"""What a fault test reads of the log survives records that are no events."""

import json

import pytest

from schemas.topics import EPISODE_CHANGED
from services.runtime.kafka.record import Record
from tests.support.faults.observed import of_practices

OWN = frozenset({"north"})


def published(value: bytes | None) -> list[Record]:
    """Return what is found of a topic that holds one record with this value."""
    return of_practices([Record(EPISODE_CHANGED.name, 0, 0, 0, b"key", value)], OWN)[1]


def test_an_event_of_the_practice_is_found_and_that_of_another_is_not() -> None:
    assert len(published(b'{"data":{"practice_id":"north"}}')) == 1
    assert published(b'{"data":{"practice_id":"south"}}') == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x00\xff",
        b"[]",
        b"null",
        b'"north"',
        b'{"data":["north"]}',
        b'{"data":null}',
        json.dumps({"data": {"practice_id": ["north"]}}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_record_that_is_no_event_is_of_nobody(value: bytes | None) -> None:
    assert published(value) == []
