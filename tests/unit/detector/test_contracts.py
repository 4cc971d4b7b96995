"""The fast types say what the contracts say, byte for byte."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from schemas import events, facts
from schemas.components import Component
from schemas.envelope import decode
from schemas.ids import (
    CaseId,
    ClientId,
    Dyad,
    InstrumentId,
    PracticeId,
    RatingIdentity,
    SessionId,
    TherapistId,
)
from schemas.message_precision import MessagePrecision
from services.detector import contracts as wire
from services.detector import received
from services.detector.published.events import pack_numbers, published_assessment
from services.detector.stream.stages.heartbeat import TYPE as HEARTBEAT
from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import body, record_of

AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
PAIRS = [
    (events.SessionRated, received.Rated),
    (events.Scores, received.DecodedScores),
    (events.TherapistResponded, received.Responded),
    (events.HeartbeatSent, received.Beat),
    (events.AllianceAssessed, wire.Assessed),
    (events.ComponentAssessment, wire.Finding),
    (events.MeasureStored, wire.StoredMeasure),
    (events.EpisodeChanged, wire.Changed),
    (events.TrajectoryPoint, wire.Point),
    (MessagePrecision, wire.StatedPrecision),
    (facts.ComponentFact, wire.StatedComponent),
    (facts.EmptyForms, wire.StatedEmptyForms),
    (facts.Facts, wire.StatedFacts),
]


@pytest.mark.parametrize(("contract", "fast"), PAIRS, ids=[fast.__name__ for _, fast in PAIRS])
def test_the_fast_type_has_the_fields_of_its_contract(
    contract: type[BaseModel], fast: type[msgspec.Struct]
) -> None:
    required = {name for name, field in contract.model_fields.items() if field.is_required()}
    fields = {field.name: field for field in msgspec.structs.fields(fast)}
    assert set(contract.model_fields) == set(fields)
    # What may be absent in the contract may be absent here; what is null by contract may be left out.
    assert {name for name, field in fields.items() if field.required} <= required


def test_a_rating_is_read_as_its_contract_reads_it() -> None:
    record = record_of(body(0, [4, 5, 4, 5, None, 5, 3, 4, 5], next_session_at=AT), 0)
    event = received.arriving.decode(record.value or b"")
    expected = decode(record.value or b"").data
    assert (
        expected.model_dump()
        == events.SessionRated.model_validate(msgspec.structs.asdict(event.data)).model_dump()
    )


def test_an_assessment_is_written_as_its_contract_writes_it() -> None:
    numbers = wire.Numbers(
        "r1", AT, events.Status.RATED, "default-m", "m", 4, 0.25, 0.5, Component.BOND, None,
        {Component.BOND: (0.25, 8.0, 9.1, -1.1), Component.OVERALL: (0.0, None, 9.0, None)},
    )  # fmt: skip
    who = Dyad(PracticeId("p"), TherapistId("t"), ClientId("c"), CaseId(""))
    identity = RatingIdentity(who.practice_id, who.client_id, SessionId("s"), InstrumentId("srs"))
    data = published_assessment(who, identity, 2, numbers)
    value = wire.envelope("alliance.assessed.v1", UUID(int=1), AT, b"abc", wire.encode(data))
    event = decode(value)
    assert msgspec.to_builtins(data) == event.data.model_dump(
        mode="json", exclude_none=True, exclude_defaults=True
    ) | {"revision": 2, "early": False, "ratings": 4}


def test_an_assessment_without_statistics_is_stored_as_before_there_were_any() -> None:
    numbers = wire.Numbers("r1", AT, events.Status.RATED, "default-m", "m", 4, 0.25, 0.5)
    fields = msgspec.structs.astuple(numbers)
    assert pack_numbers(numbers) == wire.pack(fields[:-1])
    assert wire.unpack_numbers(pack_numbers(numbers)) == numbers


def test_an_assessment_with_statistics_is_read_back() -> None:
    numbers = wire.Numbers("r1", AT, events.Status.RATED, "default-m", "m", statistics_version="s-1")
    assert wire.unpack_numbers(pack_numbers(numbers)) == numbers


def test_a_heartbeat_is_written_as_its_contract_writes_it() -> None:
    beat = received.Beat(3, "2026-03-01T10:00:00Z", AT, 0.25, 0.25)
    event = decode(wire.envelope(HEARTBEAT, "id", AT, b"heartbeat", wire.encode(beat)))
    assert (
        events.HeartbeatSent(partition=3, minute=AT, sent_at=AT, risk=0.25, expected_risk=0.25) == event.data
    )


def test_a_record_shows_its_place_and_no_payload() -> None:
    shown = repr(record_of(body(0, [4.0] * 9), 5))
    assert "client" not in shown
    assert isinstance(record_of(body(0, [4.0] * 9), 5), Record)
