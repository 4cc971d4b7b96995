"""A request is sent again with the same bytes, after the pause that the service asks for."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from rapport_client import Addresses, AsyncRapport, LineResult, Rapport, Rating, Refused, Unavailable, calls
from rapport_client.retries import Retries
from tests.support.schemas.ratings import GOOD

RATING = Rating.model_validate(GOOD)
WHERE = Addresses("http://ingest.test")
ACCEPTED = {"id": "r-1", "status": "accepted", "status_url": "/v1/ratings/r-1"}
Respond = Callable[[httpx.Request], httpx.Response]


def busy(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "7"})


class Script:
    """Answers requests one after another, and keeps their bodies."""

    def __init__(self, *answers: httpx.Response | Exception | Respond) -> None:
        self.answers = iter(answers)
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(request.content)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the clients would have waited; their clock moves on by as much."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(time, "sleep", found.append)
    monkeypatch.setattr("rapport_client.async_client.asyncio.sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: sum(found))
    monkeypatch.setattr(Retries.__init__, "__defaults__", (time.monotonic,))
    return found


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable[[Script], str]:
    """Sends one rating with one of the two clients and returns its id."""

    def plain(script: Script) -> str:
        with Rapport("key", WHERE, http=httpx.Client(transport=httpx.MockTransport(script))) as rapport:
            return rapport.send(RATING).id

    async def asynchronous(script: Script) -> str:
        http = httpx.AsyncClient(transport=httpx.MockTransport(script))
        async with AsyncRapport("key", WHERE, http=http) as rapport:
            return (await rapport.send(RATING)).id

    return plain if request.param == "sync" else lambda script: asyncio.run(asynchronous(script))


@pytest.fixture(params=["sync", "async"])
def send_batch(request: pytest.FixtureRequest) -> Callable[[Script, int], list[LineResult]]:
    """Sends some ratings as a batch with one of the two clients and returns the results."""

    def ratings(count: int) -> Iterator[Rating]:
        return (RATING.model_copy(update={"id": f"r-{number}"}) for number in range(1, count + 1))

    def plain(script: Script, count: int) -> list[LineResult]:
        with Rapport("key", WHERE, http=httpx.Client(transport=httpx.MockTransport(script))) as rapport:
            return [result for _, result in rapport.send_batch(ratings(count), lines=2)]

    async def asynchronous(script: Script, count: int) -> list[LineResult]:
        http = httpx.AsyncClient(transport=httpx.MockTransport(script))
        async with AsyncRapport("key", WHERE, http=http) as rapport:
            return [result async for _, result in rapport.send_batch(ratings(count), lines=2)]

    return (
        plain if request.param == "sync" else lambda script, count: asyncio.run(asynchronous(script, count))
    )


def lines(*results: dict[str, object]) -> httpx.Response:
    return httpx.Response(200, content=b"".join(json.dumps(each).encode() + b"\n" for each in results))


def accepted(line: int, rating_id: str) -> dict[str, object]:
    return {"line": line, "status": "accepted", "id": rating_id}


def test_a_busy_service_gets_the_same_bytes_again_after_the_pause_it_asks_for(
    send: Callable[[Script], str], pauses: list[float]
) -> None:
    script = Script(busy, httpx.ConnectError("away"), httpx.Response(202, json=ACCEPTED))
    assert send(script) == "r-1"
    assert len(set(script.bodies)) == 1
    assert pauses[0] >= 7
    assert 0 < pauses[1] < 7


def test_a_service_that_stays_busy_is_given_up(send: Callable[[Script], str], pauses: list[float]) -> None:
    with pytest.raises(Unavailable, match="send the same again later"):
        send(Script(*[busy] * 20))
    assert 50 < sum(pauses) <= 60


def test_what_is_refused_is_not_sent_again_and_names_the_field(
    send: Callable[[Script], str], pauses: list[float]
) -> None:
    errors = [{"field": "items", "message": "item 2 is out of range", "expected": "0 to 10"}]
    problem = {"type": "urn:rapport:problem:invalid", "title": "Not a valid rating", "status": 422}
    with pytest.raises(Refused, match=r"422 Not a valid rating\. items item 2 is out of range") as refused:
        send(Script(httpx.Response(422, json=problem | {"errors": errors})))
    assert [each.expected for each in refused.value.errors] == ["0 to 10"]
    assert pauses == []


def test_only_the_unanswered_lines_of_a_batch_are_sent_again(
    send_batch: Callable[[Script, int], list[LineResult]], pauses: list[float]
) -> None:
    script = Script(
        lines(accepted(1, "r-1"), {"line": 2, "status": "retry", "retry_after": 3}),
        httpx.ReadError("cut off"),
        lines(accepted(1, "r-2")),
        lines(accepted(1, "r-3")),
    )
    assert [result.id for result in send_batch(script, 3)] == ["r-1", "r-2", "r-3"]
    sent = [[json.loads(line)["id"] for line in body.splitlines()] for body in script.bodies]
    assert sent == [["r-1", "r-2"], ["r-2"], ["r-2"], ["r-3"]]
    assert pauses[0] >= 3


def test_a_batch_that_was_stopped_goes_on_where_it_stopped(
    send_batch: Callable[[Script, int], list[LineResult]], pauses: list[float]
) -> None:
    stopped: dict[str, object] = {"line": 2, "status": "stopped", "reason": "too-slow"}
    script = Script(lines(accepted(1, "r-1"), stopped), busy, lines(accepted(1, "r-2")))
    assert [result.id for result in send_batch(script, 2)] == ["r-1", "r-2"]


def test_a_wrong_key_ends_a_batch(
    send_batch: Callable[[Script, int], list[LineResult]], pauses: list[float]
) -> None:
    problem = {"type": "about:blank", "title": "Not authenticated", "status": 401}
    with pytest.raises(Refused, match="401 Not authenticated"):
        send_batch(Script(httpx.Response(401, json=problem)), 2)


def test_a_call_to_a_service_without_address_says_so() -> None:
    with Rapport("key", WHERE) as rapport, pytest.raises(Exception, match="needs the address of results"):
        rapport.call(calls.balance())
