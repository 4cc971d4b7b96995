"""Whatever a caller without a key sends, a service keeps its size, ends the connection and answers others."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from services.cli.local.child_process import ChildProcess
from tests.support.ports import free_port
from tests.support.runtime.raw_connections import (
    BODIES,
    SHAPES,
    Connection,
    connections,
    unread_documents,
)
from tests.support.service_stack import wait_until

MOST_GROWTH_BYTES = 64 * 1024 * 1024
LIMIT_S = 1
"""Within which a head, and a body in all, must arrive at these services."""
ENDS_WITHIN_S = 20.0
CONNECTIONS = 600
TOO_SLOW = b"HTTP/1.1 408 Request Timeout"
START_S = 120

SERVICES = ("ingest", "detector", "notifier")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ChildProcess]]:
    """The three services, with neither Kafka nor PostgreSQL: who has no key must not get as far."""
    folder = tmp_path_factory.mktemp("edge")
    (folder / "keys.json").write_text('{"keys": []}')
    (folder / "secret").write_text("0123456789abcdef" * 4)
    started = {name: _service(name, folder) for name in SERVICES}
    for process in started.values():
        process.start()
    try:
        for process in started.values():
            wait_until(partial(_answers, process), f"{process.name} answers", START_S)
        yield started
    finally:
        for process in started.values():
            process.stop()


def _service(name: str, folder: Path) -> ChildProcess:
    port, management_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    nowhere = f"127.0.0.1:{free_port()}"
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": nowhere,
        "DATABASE_URL": f"postgresql://nobody@{nowhere}/none",
        "DATABASE_SSLMODE": "disable",
        "HTTP_PORT": str(port),
        "HTTP_MANAGEMENT_PORT": str(management_port),
        "HTTP_HEAD_TIMEOUT_S": str(LIMIT_S),
        "HTTP_BODY_TIMEOUT_S": str(LIMIT_S),
        "INGEST_READ_TIMEOUT_S": str(LIMIT_S),
        "RAPPORT_CREDENTIALS_FILE": str(folder / "keys.json"),
        "RAPPORT_KEY_SECRET_FILE": str(folder / "secret"),
        "NOTIFIER_PUBLIC_URL": url,
        "NOTIFIER_SIGNING_SECRET_FILE": str(folder / "secret"),
    }
    return ChildProcess(
        name,
        ["-m", f"services.{name}"],
        environment,
        folder / f"{name}.log",
        url,
        management_url=f"http://127.0.0.1:{management_port}",
    )


def _answers(process: ChildProcess) -> bool:
    try:
        return httpx.get(f"{process.url}/livez", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


async def grown_bytes(process: ChildProcess, attack: Awaitable[None]) -> int:
    """Return how much memory the process had at most during the attack, more than before it."""
    seen = psutil.Process(process.pid).memory_info
    before = most = seen().rss
    running = asyncio.ensure_future(attack)
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            while not running.done():
                most = max(most, seen().rss)
                await asyncio.sleep(0.005)
        await running
    finally:
        running.cancel()
    return max(most, seen().rss) - before


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
async def test_what_never_ends_is_ended_and_costs_little(
    running: dict[str, ChildProcess], service: str, shape: Callable[[str, Connection], Awaitable[None]]
) -> None:
    process = running[service]

    async def attack() -> None:
        async with connections(process.url, 20) as opened:
            await asyncio.gather(*[shape(service, one) for one in opened])
            await asyncio.gather(*[one.response() for one in opened])

    assert await grown_bytes(process, attack()) <= MOST_GROWTH_BYTES
    assert _answers(process)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_management_port_bears_every_shape_at_once(
    running: dict[str, ChildProcess], service: str
) -> None:
    process = running[service]

    async def attack() -> None:
        async with connections(process.management_url, 4 * len(SHAPES)) as opened:
            await asyncio.gather(
                *[shape(service, one) for shape, one in zip(SHAPES * 4, opened, strict=True)]
            )
            await asyncio.gather(*[one.response() for one in opened])

    assert await grown_bytes(process, attack()) <= MOST_GROWTH_BYTES
    assert _answers(process)


@pytest.mark.parametrize("service", SERVICES)
async def test_documents_that_nobody_reads_cost_little(
    running: dict[str, ChildProcess], service: str
) -> None:
    process = running[service]

    async def attack() -> None:
        async with connections(process.management_url, 60) as opened:
            await asyncio.gather(*[unread_documents(service, one) for one in opened])
            answered = await asyncio.to_thread(httpx.get, f"{process.management_url}/livez", timeout=60)
            assert answered.status_code == 200

    assert await grown_bytes(process, attack()) <= MOST_GROWTH_BYTES


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82", b"200"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"400"),
    ],
    ids=["HTTP/1.0", "web socket", "HTTP/2", "TLS"],
)
async def test_other_protocols_are_answered_in_http_and_ended(
    running: dict[str, ChildProcess], service: str, sent: bytes, status: bytes
) -> None:
    for url in (running[service].url, running[service].management_url):
        async with asyncio.timeout(ENDS_WITHIN_S), connections(url, 1) as (one,):
            await one.send(sent)
            assert (await one.response()).split(b" ")[1] == status


@pytest.mark.parametrize("service", SERVICES)
async def test_many_half_heads_cost_little_and_leave_room_for_others(
    running: dict[str, ChildProcess], service: str
) -> None:
    process = running[service]
    half = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(
        b"h%d: " % n + b"v" * 300 + b"\r\n" for n in range(90)
    )
    answers: list[bool] = []

    async def attack() -> None:
        async with connections(process.url, CONNECTIONS) as opened:
            await asyncio.gather(*[one.send(half) for one in opened])
            answers.append(await asyncio.to_thread(_answers, process))
            async with connections(process.url, 1) as (last,):
                await last.send(half)
                assert (await last.response()).startswith(TOO_SLOW)
            began = time.monotonic()
            received = await asyncio.gather(*[one.response() for one in opened])
            assert time.monotonic() - began < LIMIT_S + 10
        # Some were closed to make room, or because nothing of theirs was read in time; others were told why.
        assert {each.split(b"\r\n")[0] for each in received} <= {b"", TOO_SLOW}

    assert await grown_bytes(process, attack()) <= MOST_GROWTH_BYTES
    assert answers == [True]


@pytest.mark.parametrize(
    ("service", "head", "status"),
    [
        ("ingest", "POST /v1/ratings", b"401"),
        ("detector", "PUT /v1/balance", b"405"),
        ("notifier", "PUT /v1/therapists/t-1", b"401"),
        ("notifier", "PUT /v1/clients/c-1/next-session", b"401"),
        ("notifier", "POST /sign-in/link", b"408"),
    ],
)
async def test_a_body_that_trickles_is_not_waited_for(
    running: dict[str, ChildProcess], service: str, head: str, status: bytes
) -> None:
    began = time.monotonic()
    kind = "application/x-www-form-urlencoded" if "sign-in" in head else "application/json"
    async with connections(running[service].url, 1) as (one,):
        await one.send(
            f"{head} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 99\r\n\r\n".encode()
        )
        received = asyncio.create_task(one.response())
        while not received.done() and await one.send(b"a"):
            await asyncio.wait([received], timeout=0.1)
        response = await received
    assert response.split(b" ")[1] == status
    assert time.monotonic() - began < LIMIT_S + 5


@pytest.mark.parametrize("service", SERVICES)
def test_metrics_documents_and_reasons_are_on_a_port_of_their_own(
    running: dict[str, ChildProcess], service: str
) -> None:
    process = running[service]
    with httpx.Client(trust_env=False) as http:
        hidden = [http.get(f"{process.url}{path}") for path in ("/metrics", "/openapi.json", "/docs")]
        brief = [http.get(f"{process.url}{path}") for path in ("/livez", "/readyz", "/healthz")]
        full = [http.get(f"{process.management_url}{path}") for path in ("/livez", "/readyz", "/healthz")]
        metrics = http.get(f"{process.management_url}/metrics")
        document = http.get(f"{process.management_url}/openapi.json")
        api = http.get(f"{process.management_url}/v1/balance")

    assert [response.status_code for response in hidden] == [404, 404, 404]
    assert [list(response.json()) for response in brief] == [["alive"], ["ready"], ["healthy"]]
    assert [one.status_code for one in full] == [one.status_code for one in brief] == [200, 200, 503]
    assert full[2].json()["checks"]["kafka"] != "good"
    assert "rapport_ready " in metrics.text
    assert document.json()["paths"].keys() >= {BODIES[service][0].split()[1].replace("t-1", "{therapist_id}")}
    assert api.status_code == (404 if service == "ingest" else 401)
