"""A client is erased from every table, at once and for every later replay; the balance stays true."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from schemas import topics
from services.cli.admin.erase import erase, list_erasures
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.cli_plugin import ErasureScope
from services.runtime.process.errors import Halt
from tests.flow.erasure.conftest import SeededPractice
from tests.support.detector.batch_driver import NOW
from tests.support.erasure import GOOD, LATER, LOW, SECRET, database, deliveries, tables, tables_with
from tests.support.invariants import broken

WITHOUT_CLIENTS = {
    "detector.applied", "detector.cluster", "detector.epoch", "detector.erased", "detector.erasure",
    "detector.generation", "detector.halt", "detector.heartbeat", "detector.log_cluster",
    "detector.migration", "detector.model_activation", "detector.outbox_floor", "detector.practice",
    "detector.practice_statistics", "detector.published",
    "detector.renewal", "detector.runs_from", "detector.set_aside", "detector.sweep",
    "detector.therapist_name",
    "detector.threshold", "detector.unaccounted",
    "notifier.applied", "notifier.client_counter", "notifier.cluster", "notifier.epoch", "notifier.erased",
    "notifier.erasure", "notifier.feed_day", "notifier.feed_silence", "notifier.halt", "notifier.heartbeat",
    "notifier.migration", "notifier.outbox_floor", "notifier.own_settings", "notifier.practice",
    "notifier.published", "notifier.runs_from", "notifier.session",
    "notifier.set_aside", "notifier.therapist_name",
    "notifier.therapist", "notifier.unaccounted",
    "notifier_jobs.procrastinate_events", "notifier_jobs.procrastinate_periodic_defers",
    "notifier_jobs.procrastinate_workers",
}  # fmt: skip
"""Tables of positions, practices, therapists and keyed hashes, in which no column holds the id of a client, a
dyad, a session, a rating or an episode."""
CLIENT = ErasureScope("north", client="client-gone")


async def erase_client(practice: SeededPractice, *, keep: bool = True) -> dict[str, int]:
    return await erase(database(practice.url), SECRET, CLIENT, requested_by="a test", keep=keep)


async def test_every_table_is_covered_or_can_hold_no_client(practice: SeededPractice) -> None:
    covered = set(await erase_client(practice, keep=False))
    assert covered | WITHOUT_CLIENTS == set(await tables(practice.detector.conn))
    assert covered & WITHOUT_CLIENTS == set()


async def test_no_byte_is_left_in_any_table_and_the_other_client_keeps_everything(
    practice: SeededPractice,
) -> None:
    conn = practice.detector.conn
    before = await tables_with(conn, practice.gone.ids)
    of_other = await tables_with(conn, practice.kept.ids)
    counts = await erase_client(practice)
    # Jobs name deliveries only.
    assert {table for table, rows in counts.items() if rows} - before == {"notifier_jobs.procrastinate_jobs"}
    assert before - set(counts) == set()
    assert await tables_with(conn, practice.gone.ids) == set()
    assert await tables_with(conn, practice.kept.ids) == of_other
    assert len(before) == len(counts) - 1, "every covered table was filled"


async def test_what_would_go_is_counted_and_stays(practice: SeededPractice) -> None:
    before = await tables_with(practice.detector.conn, practice.gone.ids)
    would_go = await erase_client(practice, keep=False)
    assert await tables_with(practice.detector.conn, practice.gone.ids) == before
    assert await list_erasures(database(practice.url), None) == []
    assert would_go == await erase_client(practice)


async def test_the_balance_counts_what_was_erased(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    before = await deliveries(conn)
    await erase_client(practice)
    after = await deliveries(conn)
    assert before["erased"] == 0
    assert after["erased"] == 9
    assert sum(after.values()) == sum(before.values())
    assert await broken(conn) == {}


async def test_a_replay_of_everything_brings_nothing_back_and_tells_nobody(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    await erase_client(practice)
    # The other client's event in it is made up.
    await practice.detector.rows("DELETE FROM detector.published_before RETURNING 1")
    before, kept = await deliveries(conn), await tables_with(conn, practice.kept.ids)
    told = len(await practice.notifier.decisions())
    practice.detector.outgoing.clear()
    for client in (practice.gone, practice.kept):
        published = await practice.detector.feed(client.records)
        assert [one for one in published if b"client-gone" in one.value] == []
        await practice.notifier.handle_records(client.published)
    assert await tables_with(conn, practice.gone.ids) == set()
    assert await tables_with(conn, practice.kept.ids) == kept
    assert await deliveries(conn) == before
    assert len(await practice.notifier.decisions()) == told
    assert await broken(conn) == {}


async def test_what_was_accepted_before_and_is_read_later_is_counted_as_erased(
    practice: SeededPractice,
) -> None:
    conn = practice.detector.conn
    await erase_client(practice)
    before = await deliveries(conn)
    late = practice.gone.sent(0, LOW)
    correction = practice.gone.sent(-2, LOW, "-corrected", recorded_at=NOW)
    withdrawal = practice.gone.sent(-2, GOOD, "-back") | {"status": "withdrawn", "scores": None}
    assert await practice.detector.rate(late, correction, withdrawal) == []
    after = await deliveries(conn)
    assert after == before | {"erased": before["erased"] + 3}
    assert await tables_with(conn, practice.gone.ids) == set()


async def test_a_rating_accepted_later_begins_a_new_history(practice: SeededPractice) -> None:
    await erase_client(practice)
    practice.detector.now = NOW + LATER
    await practice.detector.rate(practice.gone.sent(-1, GOOD))
    assert await practice.detector.rows(
        "SELECT d.history_revision, a.revision > 1000000, a.step FROM detector.dyad d"
        " JOIN detector.assessment a USING (dyad_id) WHERE d.client_id = 'client-gone'"
    ) == [(1, True, "")]
    assert await broken(practice.detector.conn) == {}


async def test_nobody_takes_the_revisions_of_a_client_who_returns_for_old_ones(
    practice: SeededPractice,
) -> None:
    def events(records: Sequence[Record | Outgoing]) -> list[dict[str, Any]]:
        # Among them is one record that was cut off.
        return [json.loads(one.value) for one in records if one.value and one.value.endswith(b"}")]

    def newest(records: Sequence[Record | Outgoing], topic: str) -> dict[str, int]:
        data = [one["data"] for one in events(records) if one["type"] == topic]
        return {one.get("episode_id") or one["session_id"]: one["revision"] for one in data}

    deliveries_of = "SELECT delivery_id FROM notifier.delivery WHERE therapist_id = 't-1'"
    before = await practice.notifier.rows(deliveries_of)
    await erase_client(practice)
    practice.detector.now = NOW + LATER
    published = await practice.detector.rate(
        *(
            practice.gone.sent(week, marks, session_at=NOW + LATER + timedelta(weeks=week))
            for week, marks in ((-4, GOOD), (-3, GOOD), (-2, GOOD), (-1, LOW))
        )
    )
    for topic in (topics.ASSESSED.name, topics.EPISODE_CHANGED.name):
        old, new = newest(practice.gone.published, topic), newest(published, topic)
        assert new
        assert [one for one in new if new[one] <= old.get(one, 0)] == []
        assert old.keys() & new.keys(), "they send the same sessions again"
    ids = [{one["id"] for one in events(records)} for records in (published, practice.gone.published)]
    assert ids[0] & ids[1] == set()
    # They are told of again, and receivers that drop what they have had do not drop it.
    await practice.notifier.handle_records(
        [Record(one.topic, 0, 90_000 + n, 0, one.key, one.value) for n, one in enumerate(published)]
    )
    assert await practice.notifier.rows("SELECT true FROM notifier.item WHERE client_id = 'client-gone'")
    after = await practice.notifier.rows(deliveries_of)
    assert after
    assert set(after) & set(before) == set()


async def test_waiting_messages_are_not_sent(practice: SeededPractice) -> None:
    waiting = "UPDATE notifier.delivery SET state = 'pending' WHERE channel = 'email' RETURNING therapist_id"
    assert set(await practice.notifier.rows(waiting)) == {("t-1",), ("t-2",)}
    await erase_client(practice)
    messages = "SELECT therapist_id FROM notifier.delivery WHERE state = 'pending'"
    assert set(await practice.notifier.rows(messages)) == {("t-2",)}


async def test_the_record_of_an_erasure_names_nobody_and_cannot_be_changed(practice: SeededPractice) -> None:
    counts = await erase_client(practice)
    stored = await list_erasures(database(practice.url), "north")
    # The client had another reference before: each of the two is erased.
    assert [(name, one.kind, one.tenant, one.requested_by) for name, one in stored] == [
        *[("detector", "client", "north", "a test")] * 2,
        *[("notifier", "client", "north", "a test")] * 2,
    ]
    assert stored[0][1].erased_rows == counts
    with pytest.raises(Exception, match="only added"):
        await practice.detector.rows("DELETE FROM detector.erasure RETURNING 1")


@pytest.mark.parametrize("secret", [None, b"another secret of at least thirty-two bytes"])
async def test_a_service_that_cannot_tell_who_was_erased_halts(
    practice: SeededPractice, secret: bytes | None
) -> None:
    await erase_client(practice)
    with pytest.raises(Halt, match="RAPPORT_ERASURE_SECRET_FILE"):
        await Erasures("detector", secret).newest(practice.detector.conn)
