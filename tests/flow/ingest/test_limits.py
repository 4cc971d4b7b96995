"""How much and how fast: single ratings are refused, batches slowed down, other practices left alone."""

import asyncio
from pathlib import Path

from tests.support.ingest.raw_connection import Wire
from tests.support.ingest.running import RATING, MovedClock, Running, lines, results, running_ingest


async def test_single_ratings_beyond_the_pace_are_429_with_the_seconds_to_wait(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, ratings_per_second=2) as ingest:
        headers = ingest.key("fast")
        statuses = [(await ingest.post(headers)).status_code for _ in range(3)]
        refused = await ingest.post(headers)
        clock.move(float(refused.headers["retry-after"]))
        later = await ingest.post(headers)
    assert statuses == [202, 202, 429]
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"] == "urn:rapport:problem:too-fast"
    assert later.status_code == 202


async def test_another_practice_keeps_its_own_pace(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, ratings_per_second=1) as ingest:
        loud, calm = ingest.key("loud"), ingest.key("calm")
        assert [(await ingest.post(loud)).status_code for _ in range(2)] == [202, 429]
        assert (await ingest.post(calm)).status_code == 202


async def test_a_batch_beyond_the_pace_is_slowed_down_and_accepted(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    ratings = [{**RATING, "session_id": f"s-{number}"} for number in range(1_000)]
    async with running_ingest(kafka_env, tmp_path, clock=clock, ratings_per_second=100) as ingest:
        response = await ingest.batch(ingest.key("history"), lines(*ratings))
    assert {each["status"] for each in results(response)} == {"accepted"}
    assert 7.0 < clock.slept_s < 10.0  # the first second's worth and the last group's come at once


async def test_a_batch_leaves_some_of_the_pace_to_single_ratings(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    ratings = [{**RATING, "session_id": f"s-{number}"} for number in range(80)]
    async with running_ingest(kafka_env, tmp_path, clock=clock, ratings_per_second=100) as ingest:
        headers = ingest.key("both")
        await ingest.batch(headers, lines(*ratings))
        assert clock.slept_s == 0
        assert (await ingest.post(headers)).status_code == 202


async def test_one_batch_too_many_at_a_time_is_429(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, max_streams_per_practice=1) as ingest:
        headers = ingest.key("streams")
        async with Wire(ingest.url) as wire:
            await wire.start_batch(headers)
            await wire.send(lines(RATING))
            assert (await wire.result())["status"] == "accepted"
            second = await ingest.batch(headers, lines(RATING))
            other = await ingest.batch(ingest.key("other-streams"), lines(RATING))
            await wire.end()
            assert await wire.rest() == b""
        third = await ingest.batch(headers, lines(RATING))
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert (other.status_code, third.status_code) == (200, 200)


async def test_a_body_that_stops_coming_is_408(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, read_timeout_s=0.1) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ingest.url.rsplit(":", 1)[1]))
        key = ingest.key("slow")["Authorization"]
        writer.write(
            f"POST /v1/ratings HTTP/1.1\r\nHost: t\r\nAuthorization: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{".encode()
        )
        async with asyncio.timeout(10):
            status = await reader.readline()
        writer.close()
    assert status == b"HTTP/1.1 408 Request Timeout\r\n"


async def test_the_limits_are_exported_and_no_metric_names_a_practice(ingest: Running) -> None:
    await ingest.post(ingest.key("practice-that-is-not-named"))
    page = (await ingest.management.get("/metrics")).text
    assert 'rapport_ingest_refused_total{reason="too-fast",whose="caller"} 0.0' in page
    assert 'rapport_ingest_requests_refused_total{reason="not-ready",whose="ours"} 0.0' in page
    assert "practice-that-is-not-named" not in page
