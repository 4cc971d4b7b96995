"""The Python client against running services: the example, both clients, and an ingest that is killed."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rapport_client import Addresses, AsyncRapport, Rapport, Rating, Refused, calls
from rapport_client.models.notifier import TherapistEntry
from tests.support.backend import embedded_backend
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack, wait_until

CLIENT = Path(__file__).resolve().parents[3] / "clients" / "python"
PRACTICES = ("example", "sync", "async", "killed")


@pytest.fixture(scope="module")
def stack(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceStack]:
    """The three services, with a practice for each test."""
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("clients"), practices=PRACTICES) as running,
    ):
        yield running


def addresses(stack: ServiceStack) -> Addresses:
    where = stack.where
    return Addresses(where.ingest_url, where.results_url, where.notifier_url)


def rating(number: int) -> Rating:
    return Rating(
        client_id=f"c-{number // 10}",
        therapist_id="t-1",
        session_id=f"s-{number}",
        session_at=datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(weeks=number % 10),
        instrument="srs",
        items=[9.2, 8.8, 9.0, 9.1],
    )


def test_the_example_has_at_most_ten_lines_and_does_what_it_says(stack: ServiceStack) -> None:
    example = CLIENT / "examples" / "ten_lines.py"
    code = example.read_text().partition('"""\n\n')[2]
    assert len(code.splitlines()) <= 10
    environment = os.environ | {
        "RAPPORT_KEY": stack.where.key,
        "RAPPORT_INGEST_URL": stack.where.ingest_url,
        "RAPPORT_PRACTICE": "example",
        "PYTHONPATH": str(CLIENT / "src"),
    }
    lines = [rating(number).model_dump_json(exclude_unset=True) for number in range(2)]
    done = subprocess.run(
        [sys.executable, str(example)],
        input="\n".join([*lines, lines[0].replace("srs", "gad-7")]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["s-0", "accepted"],
        ["s-1", "accepted"],
        ["s-0", "refused"],
    ], done.stderr
    assert "is not an instrument we know" in done.stdout


def test_a_rating_is_sent_once_however_often_and_can_be_asked_for(stack: ServiceStack) -> None:
    with Rapport(stack.where.key, addresses(stack), practice="sync") as rapport:
        scores = rapport.check(rating(0)).scores
        first, second = rapport.send(rating(0)), rapport.send(rating(0), history=True)
        wait_until(
            lambda: rapport.call(calls.rating_status(first.id)).status == "assessed", "the rating is assessed"
        )
        entry = TherapistEntry(address="t@practice.example", time_zone="Europe/Zurich")
        stored = rapport.call(calls.put_therapist("t-1", entry))
        read = rapport.call(calls.therapist("t-1"))
        rapport.call(calls.delete_therapist("t-1"))
        episodes = rapport.call(calls.episodes()).episodes
        known = {each.id for each in rapport.call(calls.instruments()).instruments}
        with pytest.raises(Refused) as refused:
            rapport.call(calls.therapist("t-1"))
    assert first.id == second.id
    assert scores is not None
    assert (scores.bond, scores.overall) == (0.92, 0.91)
    assert stored == read
    assert episodes == []
    assert "srs" in known
    assert refused.value.status == 404


async def test_results_arrive_while_ratings_are_still_being_sent(stack: ServiceStack) -> None:
    sent = 0

    async def ratings() -> AsyncIterator[Rating]:
        nonlocal sent
        for number in range(1200):
            sent += 1
            yield rating(number)

    statuses, first_result_after = [], 0
    async with AsyncRapport(stack.where.key, addresses(stack), practice="async") as rapport:
        async for _, result in rapport.send_batch(ratings()):
            first_result_after = first_result_after or sent
            statuses.append(result.status)
        balance = await rapport.call(calls.balance())
    assert statuses == ["accepted"] * 1200
    assert first_result_after == 500
    assert balance.deliveries.rejected == {}


def test_a_batch_outlives_an_ingest_that_is_killed(stack: ServiceStack) -> None:
    answered = 0

    def send() -> list[str]:
        nonlocal answered
        statuses = []
        with Rapport(stack.where.key, addresses(stack), practice="killed") as rapport:
            for _, result in rapport.send_batch((rating(number) for number in range(300)), lines=20):
                statuses.append(result.status)
                answered = len(statuses)
        return statuses

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send)
        wait_until(lambda: answered > 40, "some results")
        stack.kill("ingest")
        stack.start("ingest")
        assert sending.result(timeout=60) == ["accepted"] * 300

    def deliveries() -> tuple[int, int]:
        with Rapport(stack.where.key, addresses(stack), practice="killed") as rapport:
            counted = rapport.call(calls.balance()).deliveries
        return counted.assessed, counted.duplicate

    wait_until(lambda: deliveries()[0] == 300, "every rating is assessed once")
