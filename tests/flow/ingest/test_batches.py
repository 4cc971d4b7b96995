"""Many ratings as NDJSON: one result a line, in order, and no line stops the others."""

import asyncio
import json
from pathlib import Path

import pytest

from schemas.topics import SESSION_HISTORY_RATED
from services.runtime.http.revocation import remove_tenant
from tests.support.ingest.raw_connection import Wire
from tests.support.ingest.running import RATING, MovedClock, Running, lines, results, running_ingest
from tests.support.schemas.instruments import KNOWN


def rating(name: str) -> dict[str, object]:
    """A rating with an id."""
    return {**RATING, "id": name, "session_id": f"s-{name}"}


async def test_results_come_in_the_order_of_the_lines_and_good_ones_are_accepted(ingest: Running) -> None:
    body = lines(rating("a"), {**rating("b"), "instrument": "gad-7"}, b"{broken", b"\xff", rating("e"))
    response = await ingest.batch(ingest.key("mixed"), body)
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [
        (each["line"], each["status"], each.get("reason"), each.get("id")) for each in results(response)
    ] == [
        (1, "accepted", None, "a"),
        (2, "refused", "invalid", None),
        (3, "refused", "not-json", None),
        (4, "refused", "not-json", None),
        (5, "accepted", None, "e"),
    ]
    assert results(response)[1]["errors"] == [
        {
            "field": "instrument",
            "message": "is not an instrument we know",
            "expected": KNOWN,
        }
    ]
    stored = {record.event["data"]["rating_id"] for record in await ingest.published("mixed")}
    assert stored == {"a", "e"}


async def test_every_line_called_accepted_is_in_the_log_in_the_order_of_its_dyad(ingest: Running) -> None:
    names = [f"r{number:04d}" for number in range(1_500)]
    response = await ingest.batch(ingest.key("whole"), lines(*map(rating, names)))
    assert [each["id"] for each in results(response) if each["status"] == "accepted"] == names
    stored = [record.event["data"] for record in await ingest.published("whole")]
    assert [each["rating_id"] for each in stored] == names
    moments = [each["accepted_at"] for each in stored]
    assert moments == sorted(set(moments))


async def test_blank_lines_are_counted_and_have_no_result(ingest: Running) -> None:
    body = b"\n" + lines(rating("a")) + b"  \r\n\n" + lines(rating("b"))
    response = await ingest.batch(ingest.key("blank"), body)
    assert [each["line"] for each in results(response)] == [2, 5]


async def test_line_ends_marks_and_a_missing_last_line_feed_are_taken_as_they_come(ingest: Running) -> None:
    one, two = json.dumps(rating("a")).encode(), json.dumps(rating("b")).encode()
    response = await ingest.batch(ingest.key("ends"), b"\xef\xbb\xbf" + one + b"\r\n" + two)
    assert [each["status"] for each in results(response)] == ["accepted", "accepted"]


async def test_an_empty_batch_has_no_results(ingest: Running) -> None:
    response = await ingest.batch(ingest.key("empty"), b"")
    assert (response.status_code, response.text) == (200, "")


async def test_a_line_that_is_too_long_fails_alone(ingest: Running) -> None:
    body = lines(rating("a"), b"x" * 100_000, rating("c"))
    response = await ingest.batch(ingest.key("long"), body)
    assert [(each["status"], each.get("reason")) for each in results(response)] == [
        ("accepted", None),
        ("refused", "too-large"),
        ("accepted", None),
    ]


async def test_too_many_lines_are_stopped_with_a_last_line_that_says_where(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, max_batch_lines=2) as ingest:
        response = await ingest.batch(ingest.key("lines"), lines(*map(rating, "abcd")))
        stored = await ingest.published("lines")
    assert results(response)[2:] == [
        {
            "line": 3,
            "status": "stopped",
            "reason": "too-many-lines",
            "detail": "A batch may have at most 2 lines. "
            "Nothing from line 3 on was accepted: send it in another batch.",
        }
    ]
    assert [record.event["data"]["rating_id"] for record in stored] == ["a", "b"]


async def test_a_stream_of_too_many_bytes_is_stopped_and_a_stated_length_refused(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, max_batch_bytes=1_000) as ingest:
        headers = ingest.key("bytes")
        stated = await ingest.batch(headers, lines(*map(rating, "abcdefgh")))
        async with Wire(ingest.url) as wire:
            await wire.start_batch(headers)
            await wire.send(lines(rating("a")))
            first = await wire.result()
            await wire.send(b" " * 2_000)
            last = await wire.result()
    assert stated.status_code == 413
    assert first["status"] == "accepted"
    assert (last["line"], last["status"], last["reason"]) == (2, "stopped", "too-large")


async def test_a_dry_run_answers_scores_for_each_line_and_publishes_nothing(ingest: Running) -> None:
    body = lines(rating("a"), {**rating("b"), "items": [1]})
    response = await ingest.batch(ingest.key("dry"), body, query="?dry_run=true")
    good, bad = results(response)
    assert (good["status"], good["scores"]["bond"], good["in_units"]["bond"]) == ("valid", 0.92, 9.2)
    assert (bad["line"], bad["status"]) == (2, "refused")
    assert await ingest.published("dry") == []


async def test_results_are_read_while_the_batch_is_still_being_sent(ingest: Running) -> None:
    async with Wire(ingest.url) as wire:
        await wire.start_batch(ingest.key("stream"))
        for name in "abc":
            await wire.send(lines(rating(name)))
            assert (await wire.result())["id"] == name
        await wire.end()
        assert await wire.rest() == b""


async def test_a_caller_that_reads_nothing_before_it_has_sent_everything_is_served(ingest: Running) -> None:
    # More than the buffers of both machines hold, on the way there and on the way back.
    wrong = {f"unknown_{number}": number for number in range(30)}
    line = json.dumps({**RATING, **wrong}).encode() + b" " * 6_000 + b"\n"
    async with Wire(ingest.url, buffer_bytes=65_536) as wire:
        await wire.start_batch(ingest.key("half-duplex"))
        for _ in range(50):
            await wire.send(line * 48)
        await wire.end()
        answer = await wire.rest()
    assert len(answer) > 5_000_000
    assert answer.count(b'"status":"refused"') == 2_400


async def test_half_a_line_of_a_caller_that_went_away_is_not_looked_at(ingest: Running) -> None:
    async with Wire(ingest.url) as wire:
        await wire.start_batch(ingest.key("gone"))
        await wire.send(lines(rating("whole")))
        assert (await wire.result())["id"] == "whole"
        await wire.send(json.dumps(rating("half")).encode())
    async with asyncio.timeout(10):
        while await ingest.metric("rapport_ingest_open_batches"):  # noqa: ASYNC110 - a page cannot be awaited
            await asyncio.sleep(0.01)
    assert [record.event["data"]["rating_id"] for record in await ingest.published("gone")] == ["whole"]


async def test_a_key_that_loses_its_practice_stops_its_batch(ingest: Running) -> None:
    headers = ingest.key("", grants=["net-a", "net-b"], network=True) | {"Rapport-Practice": "net-b"}
    async with Wire(ingest.url) as wire:
        await wire.start_batch(headers)
        await wire.send(lines(rating("a")))
        assert (await wire.result())["status"] == "accepted"
        remove_tenant(ingest.keys, "net-b")
        await wire.send(lines(rating("b")))
        last = await wire.result()
        await wire.end()
    assert (last["line"], last["status"], last["reason"]) == (2, "stopped", "credentials")
    assert len(await ingest.published("net-b")) == 1


async def test_a_caller_that_sends_nothing_for_too_long_is_told_where_it_stopped(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with (
        running_ingest(kafka_env, tmp_path, clock=clock, read_timeout_s=0.2) as ingest,
        Wire(ingest.url) as wire,
    ):
        await wire.start_batch(ingest.key("slow"))
        await wire.send(lines(rating("a")) + b'{"half')
        assert (await wire.result())["status"] == "accepted"
        last = await wire.result()
    assert (last["line"], last["status"], last["reason"]) == (2, "stopped", "too-slow")


@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
async def test_another_content_type_is_415(ingest: Running, kind: str) -> None:
    response = await ingest.batch({**ingest.key("kind"), "Content-Type": kind}, b"")
    assert response.status_code == 415


async def test_history_goes_to_a_topic_of_its_own_in_the_partition_of_its_client(ingest: Running) -> None:
    key = ingest.key("loads")
    await ingest.batch(key, lines(rating("today")))
    response = await ingest.batch(key, lines(rating("a"), rating("b")), query="?history=true")
    assert [each["status"] for each in results(response)] == ["accepted", "accepted"]
    assert (await ingest.post(key, rating("c"), query="?history=true")).status_code == 202
    (today,) = await ingest.published("loads")
    history = await ingest.published("loads", SESSION_HISTORY_RATED)
    assert [one.event["data"]["rating_id"] for one in history] == ["a", "b", "c"]
    assert {(one.key, one.partition, one.event["type"]) for one in history} == {
        (today.key, today.partition, today.event["type"])
    }
