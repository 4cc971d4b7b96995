"""A broker that is silent or gone: nothing is called accepted, nobody waits for ever, no count stays."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.embedded_kafka import embedded_kafka
from tests.support.ingest.running import RATING, Running, lines, results, running_ingest

DEADLINE_S = 0.5


@dataclass(slots=True)
class Broker:
    """An embedded broker that can be silenced and ended."""

    kafka_env: dict[str, str]
    process: psutil.Process
    ends: ExitStack

    def silence(self) -> None:
        """It takes nothing and answers nothing from now on."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on where it was."""
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """It is gone."""
        self.ends.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of this test's own."""
    known = {child.pid for child in psutil.Process().children()}
    with ExitStack() as ends:
        bootstrap = ends.enter_context(embedded_kafka())
        (process,) = [child for child in psutil.Process().children() if child.pid not in known]
        yield Broker({"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_EMBEDDED": "true"}, process, ends)
        if process.is_running():
            process.send_signal(signal.SIGCONT)


async def settled(ingest: Running) -> None:
    """Wait until no record is under way."""
    async with asyncio.timeout(20):
        while await ingest.metric("rapport_ingest_unacknowledged_records"):  # noqa: ASYNC110 - a page
            await asyncio.sleep(0.02)


async def test_a_silent_broker_is_503_within_the_deadline_and_readiness_says_why(
    broker: Broker, tmp_path: Path
) -> None:
    async with running_ingest(broker.kafka_env, tmp_path, ack_deadline_s=DEADLINE_S) as ingest:
        headers = ingest.key("silent")
        broker.silence()
        started = time.monotonic()
        response = await ingest.post(headers)
        took_s = time.monotonic() - started
        ready = await ingest.management.get("/readyz")
        healthy = await ingest.management.get("/healthz")
        alive = await ingest.http.get("/livez")
        broker.wake()
        await settled(ingest)
        again = await ingest.post(headers)
        healthy_again = await ingest.management.get("/healthz")
    assert DEADLINE_S <= took_s < DEADLINE_S + 0.5
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert response.json() == {
        "type": "urn:rapport:problem:broker-silent",
        "title": "Not stored",
        "status": 503,
        "detail": "The rating may not be stored. Send it again with the same id: it counts once.",
    }
    # The door can answer, with the 503 above: a load balancer must leave it in place.
    assert (ready.status_code, alive.status_code, healthy.status_code) == (200, 200, 503)
    assert healthy.json()["checks"]["kafka"] == "no acknowledgement within 0.5 s"
    assert (again.status_code, healthy_again.status_code) == (202, 200)


async def test_every_line_of_a_batch_without_acknowledgement_is_to_be_sent_again(
    broker: Broker, tmp_path: Path
) -> None:
    async with running_ingest(broker.kafka_env, tmp_path, ack_deadline_s=DEADLINE_S) as ingest:
        headers = ingest.key("silent-batch")
        broker.silence()
        response = await ingest.batch(headers, lines({**RATING, "id": "a"}, b"{", {**RATING, "id": "c"}))
        accepted = await ingest.metric("rapport_ingest_accepted_total")
        broker.wake()
        await settled(ingest)
    assert [(each["status"], each.get("id"), each.get("retry_after")) for each in results(response)] == [
        ("retry", "a", 2),
        ("refused", None, None),
        ("retry", "c", 2),
    ]
    assert accepted == 0


async def test_above_the_bound_of_unacknowledged_records_the_answer_is_503_at_once(
    broker: Broker, tmp_path: Path
) -> None:
    async with running_ingest(
        broker.kafka_env, tmp_path, ack_deadline_s=DEADLINE_S, max_unacknowledged=4
    ) as ingest:
        await settled(ingest)
        loud, calm = ingest.key("loud"), ingest.key("calm")
        broker.silence()
        waiting = [await ingest.post(loud) for _ in range(2)]
        started = time.monotonic()
        at_once = await ingest.post(loud)
        took_s = time.monotonic() - started
        other = await ingest.post(calm)
        broker.wake()
        await settled(ingest)
        later = await ingest.post(loud)
    assert [each.json()["title"] for each in waiting] == ["Not stored", "Not stored"]
    assert (at_once.status_code, at_once.json()["title"], at_once.headers["retry-after"]) == (
        503,
        "Overloaded",
        "1",
    )
    assert took_s < DEADLINE_S / 2
    assert other.json()["title"] == "Not stored"  # it found room: one practice may hold half of the bound
    assert later.status_code == 202


async def test_a_broker_that_is_gone_is_503_and_health_still_answers(broker: Broker, tmp_path: Path) -> None:
    async with running_ingest(broker.kafka_env, tmp_path, ack_deadline_s=DEADLINE_S) as ingest:
        headers = ingest.key("gone-broker")
        broker.end()
        started = time.monotonic()
        response = await ingest.post(headers)
        took_s = time.monotonic() - started
        tried = await ingest.post(headers, query="?dry_run=true")
        alive = await ingest.http.get("/livez")
    assert (response.status_code, tried.status_code, alive.status_code) == (503, 200, 200)
    assert took_s < DEADLINE_S + 0.5


async def test_without_a_broker_at_the_start_the_door_is_open_and_says_why_it_stores_nothing(
    tmp_path: Path,
) -> None:
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_EMBEDDED": "true"}
    async with running_ingest(nowhere, tmp_path, wait_for_kafka=False) as ingest:
        response = await ingest.post(ingest.key("no-broker"))
        ready = await ingest.management.get("/readyz")
        healthy = await ingest.management.get("/healthz")
    assert response.status_code == 503
    assert (ready.status_code, healthy.status_code) == (200, 503)
