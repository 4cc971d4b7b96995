"""What becomes of ratings: assessed, superseded, duplicate or rejected, and published once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from schemas import topics
from schemas.envelope import AllianceAssessedEvent
from schemas.events import AllianceAssessed
from schemas.instruments.catalogue import Catalogue
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.process.errors import Halt
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, events, record_of
from tests.support.invariants import broken, deliveries, ids_with_two_contents

GOOD = (4.5, 4.5, 4.5)
FAIR = (3.5, 3.5, 3.5)
LOW = (2.5, 2.5, 2.5)


@pytest.fixture(autouse=True)
async def invariants(detector: DetectorDriver) -> AsyncIterator[None]:
    """Every test ends in a state in which nothing is broken."""
    yield
    assert await broken(detector.conn) == {}
    assert ids_with_two_contents(o for o in detector.outgoing if o.topic != topics.REJECTED.name) == []


def assessed(outgoing: list[Outgoing]) -> list[AllianceAssessed]:
    return [
        event.data for event in events(outgoing, topics.ASSESSED) if isinstance(event, AllianceAssessedEvent)
    ]


async def outcomes(detector: DetectorDriver) -> tuple[int, ...]:
    return tuple((await deliveries(detector.conn)).values())


async def test_a_history_by_an_instrument_that_is_described_no_more_halts(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, GOOD), body(0, GOOD))
    srs = detector.tools.catalogue.get("srs")
    detector.tools = replace(detector.tools, catalogue=Catalogue([srs]))
    before = await outcomes(detector)

    with pytest.raises(Halt, match=r"wai-9.*put its file back"):
        await detector.rate(body(-2, None, instrument="srs", items=(9, 9, 9, 9), status="rated"))

    assert await outcomes(detector) == before


async def test_a_rating_is_assessed_and_published(detector: DetectorDriver) -> None:
    (data,) = assessed(await detector.rate(body(0, GOOD)))
    assert (data.revision, data.risk, data.ratings, data.early) == (1, 0.1, 1, True)
    assert await outcomes(detector) == (1, 0, 0, 0)


async def test_a_declined_form_has_a_risk_too(detector: DetectorDriver) -> None:
    (data,) = assessed(await detector.rate(body(0)))
    assert (data.status, data.risk) == ("declined", 0.2)


async def test_components_are_in_the_instruments_units(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, GOOD))
    (data,) = assessed(await detector.rate(body(0, FAIR)))
    goal = data.components["goal"]  # type: ignore[index]
    assert (goal.score, goal.usual, goal.change) == (3.5, 4.5, -1.0)


async def test_derived_events_keep_the_key_and_the_partition_of_their_input(detector: DetectorDriver) -> None:
    record = record_of(body(0, GOOD), 0)
    (out,) = await detector.feed([record])
    assert (out.key, out.partition) == (record.key, record.partition)


async def test_a_rating_that_is_sent_again_is_a_duplicate(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD))
    assert await detector.rate(body(0, GOOD)) == []
    assert await outcomes(detector) == (1, 0, 1, 0)


async def test_a_record_that_is_read_again_changes_nothing_and_counts_once(detector: DetectorDriver) -> None:
    records = [record_of(body(0, GOOD), 0), record_of(body(0, GOOD), 1)]
    await detector.feed(records)
    assert await detector.feed(records) == []
    assert await outcomes(detector) == (1, 0, 1, 0)


async def test_a_duplicate_in_the_same_batch_is_one(detector: DetectorDriver) -> None:
    assert len(await detector.rate(body(0, GOOD), body(0, GOOD))) == 1
    assert await outcomes(detector) == (1, 0, 1, 0)


async def test_a_duplicate_keeps_the_earliest_acceptance(detector: DetectorDriver) -> None:
    early = NOW - timedelta(hours=1)
    await detector.rate(body(0, GOOD))
    await detector.rate(body(0, GOOD), accepted_at=early)
    assert await detector.rows("SELECT accepted_at FROM detector.rating") == [(early,)]


async def test_a_correction_supersedes_and_is_published_with_the_next_revision(
    detector: DetectorDriver,
) -> None:
    await detector.rate(body(0, GOOD))
    (data,) = assessed(await detector.rate(body(0, FAIR), accepted_at=NOW + timedelta(minutes=1)))
    assert (data.revision, data.components["bond"].score) == (2, 3.5)  # type: ignore[index]
    assert await outcomes(detector) == (1, 1, 0, 0)


async def test_an_older_version_that_comes_late_is_superseded_at_once(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, recorded_at=NOW))
    assert await detector.rate(body(0, FAIR, recorded_at=NOW - timedelta(hours=1))) == []
    assert await outcomes(detector) == (1, 1, 0, 0)


async def test_two_versions_in_one_batch_give_one_assessment(detector: DetectorDriver) -> None:
    out = await detector.rate(
        body(0, GOOD, recorded_at=NOW - timedelta(hours=2)), body(0, FAIR, recorded_at=NOW)
    )
    assert [data.components["bond"].score for data in assessed(out)] == [3.5]  # type: ignore[index]
    assert await outcomes(detector) == (1, 1, 0, 0)


async def test_a_duplicate_that_was_accepted_earlier_can_give_way_to_another_version(
    detector: DetectorDriver,
) -> None:
    # The second is current until it turns out that it had been accepted before the first.
    await detector.rate(body(0, GOOD, id="a"), accepted_at=NOW)
    await detector.rate(body(0, FAIR, id="b"), accepted_at=NOW + timedelta(minutes=1))
    await detector.rate(body(0, FAIR, id="b"), accepted_at=NOW - timedelta(minutes=1))
    assert await detector.rows("SELECT rating_id FROM detector.rating WHERE current") == [("a",)]


async def test_a_withdrawn_rating_is_published_without_a_risk(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD))
    withdrawal = body(0, status="withdrawn")
    (data,) = assessed(await detector.rate(withdrawal, accepted_at=NOW + timedelta(minutes=1)))
    assert (data.status, data.risk, data.revision) == ("withdrawn", None, 2)
    assert await outcomes(detector) == (1, 1, 0, 0)


async def test_what_is_withdrawn_counts_no_more_in_the_history(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, LOW), body(0, GOOD))
    out = await detector.rate(body(-1, status="withdrawn"), accepted_at=NOW + timedelta(minutes=1))
    assert {("withdrawn", 0), ("rated", 1)} == {(d.status, d.ratings) for d in assessed(out)}


async def test_a_withdrawal_of_nothing_is_stored(detector: DetectorDriver) -> None:
    (data,) = assessed(await detector.rate(body(0, status="withdrawn")))
    assert (data.risk, data.revision) == (None, 1)


async def test_a_late_rating_refolds_only_what_follows_it(detector: DetectorDriver) -> None:
    await detector.rate(*[body(s, GOOD) for s in (-3, -1, 0)])
    out = await detector.rate(body(-2, LOW))
    assert {data.session_id: data.revision for data in assessed(out)} == {"s-2": 1, "s-1": 2, "s0": 2}


async def test_a_late_rating_that_changes_no_number_is_published_alone(detector: DetectorDriver) -> None:
    await detector.rate(body(-2, GOOD), body(0, GOOD))
    out = await detector.rate(body(-1))
    assert [data.session_id for data in assessed(out)] == ["s-1"]


async def test_an_id_with_another_body_is_rejected(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, id="one"))
    await detector.rate(body(0, FAIR, id="one"))
    assert await detector.rows("SELECT reason, tenant, subject_id FROM detector.rejection") == [
        ("id-reused", "north", "one")
    ]
    assert await outcomes(detector) == (1, 0, 0, 1)


async def test_the_same_id_in_another_practice_is_another_rating(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, id="one"))
    await detector.rate(body(0, FAIR, id="one"), practice="south")
    assert await outcomes(detector) == (2, 0, 0, 0)


async def test_a_session_may_move_once_it_was_withdrawn(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD))
    await detector.rate(body(0, status="withdrawn"), accepted_at=NOW + timedelta(minutes=1))
    await detector.rate(body(0, GOOD, therapist_id="therapist-2"), accepted_at=NOW + timedelta(minutes=2))
    assert await outcomes(detector) == (2, 1, 0, 0)


async def test_an_early_duplicate_does_not_bring_back_what_moved_away(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, id="a"), accepted_at=NOW)
    await detector.rate(body(0, status="withdrawn", id="b"), accepted_at=NOW + timedelta(minutes=1))
    await detector.rate(body(0, GOOD, id="c", therapist_id="t-2"), accepted_at=NOW + timedelta(minutes=2))
    await detector.rate(body(0, status="withdrawn", id="b"), accepted_at=NOW - timedelta(minutes=1))
    assert await detector.rows("SELECT rating_id FROM detector.rating WHERE current ORDER BY 1") == [
        ("b",),
        ("c",),
    ]


async def test_an_unknown_instrument_is_rejected_alone(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD, instrument="nobody-knows"), body(-1, GOOD))
    assert await detector.rows("SELECT reason FROM detector.rejection") == [("unknown-instrument",)]
    assert await outcomes(detector) == (1, 0, 0, 1)


async def test_marks_out_of_range_are_rejected(detector: DetectorDriver) -> None:
    await detector.rate(body(0, (9.0, 4.0, 4.0)))
    assert await detector.rows("SELECT reason FROM detector.rejection") == [("invalid-marks",)]


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"null", b'{"type": "alliance.session-rated.v1"}', b"\xff\xfe", b'{"type": "foreign"}'],
)
async def test_what_cannot_be_decoded_is_rejected_alone(detector: DetectorDriver, value: bytes) -> None:
    good = record_of(body(0, GOOD), 1)
    bad = Record(good.topic, good.partition, 0, 0, b"key", value)
    await detector.feed([bad, good])
    assert await outcomes(detector) == (1, 0, 0, 1)


async def test_the_detail_of_a_rejection_holds_no_value(detector: DetectorDriver) -> None:
    good = record_of(body(0, GOOD, client_id="jane-doe"), 0)
    value = (good.value or b"").replace(b'"rated"', b'"jane-doe"')
    await detector.feed([Record(good.topic, 0, 0, 0, good.key, value)])
    ((detail,),) = await detector.rows("SELECT detail FROM detector.rejection")
    assert detail == "does not fit the contract at `$.data.status`"


async def test_an_event_on_the_wrong_topic_is_rejected(detector: DetectorDriver) -> None:
    good = record_of(body(0, GOOD), 0)
    await detector.feed([Record(topics.THERAPIST_RESPONDED.name, 0, 0, 0, good.key, good.value)])
    assert await detector.rows("SELECT reason FROM detector.rejection") == [("unexpected-event",)]


async def test_a_new_case_starts_anew(detector: DetectorDriver) -> None:
    await detector.rate(*[body(s, GOOD) for s in (-3, -2, -1)])
    (data,) = assessed(await detector.rate(body(0, LOW, case_id="second")))
    assert (data.ratings, data.case_id) == (1, "second")


async def test_a_practice_nobody_added_is_added_with_the_defaults(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD), practice="unheard-of")
    rows = await detector.rows(
        "SELECT tell_from, max_age_days FROM detector.practice WHERE practice_id = 'unheard-of'"
    )
    assert rows == [(NOW, 21)]


async def test_a_dyads_events_take_the_new_key_when_the_secret_has_changed(detector: DetectorDriver) -> None:
    record = record_of(body(-1, GOOD), 0)
    await detector.feed([record])
    later = record_of(body(0, GOOD), 1)
    await detector.feed([Record(later.topic, 3, 1, 0, b"another-key", later.value)])
    assert await detector.rows("SELECT record_key, partition FROM detector.dyad") == [(b"another-key", 3)]
