"""Canary values sent through the whole system appear in no log, metric, mail, key, header or link."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import ALL
from tests.support.backend import Backend, embedded_backend
from tests.support.fhir_resources import answered, bundle, response
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack

CLIENT, THERAPIST, SESSION, CASE = "canary-client", "canary-therapist", "canary-session", "canary-case"
MARK = 4.321
"""A slider mark that nothing else in the system says."""
_MARK = rf"(?<![\d.]){re.escape(str(MARK))}(?!\d)"
CANARIES = re.compile(rf"canary|{_MARK}|rupture|alliance|wai|\bsrs\b", re.IGNORECASE)
"""In what reaches a mailbox: neither who nor how much nor what it is about."""
PERSONAL = re.compile(rf"canary|{_MARK}", re.IGNORECASE)


@dataclass(frozen=True)
class Exhaust:
    """Everything the stack gave off."""

    logs: str
    metrics: str
    mails: list[str]
    keys_and_headers: list[str]
    links: list[str]


def rating(number: int, items: list[float] | None, **changes: object) -> dict[str, object]:
    """One weekly rating of the canary client."""
    sent: dict[str, object] = {
        "client_id": CLIENT,
        "therapist_id": THERAPIST,
        "case_id": CASE,
        "session_id": f"{SESSION}-{number}",
        "session_at": f"2026-01-{number + 1:02d}T10:00:00+01:00",
        "instrument": "srs",
        "status": "declined" if items is None else "rated",
    }
    if items is not None:
        sent["items"] = items
    return sent | changes


def all_kinds() -> list[dict[str, object]]:
    """A steady client who falls, with everything that can go wrong on the way."""
    steady = [rating(number, [9.2, 9.0, 9.1, 9.3]) for number in range(8)]
    fallen = [rating(8, [MARK, MARK, MARK, MARK]), rating(9, [MARK, 4.0, MARK, 4.1])]
    wrong = [
        rating(10, [MARK, 99.0, 9.0, 9.0]),
        rating(11, [9.0] * 4, client_id="canary-client@example.org"),
        rating(12, [9.0] * 4, instrument="canary-instrument"),
        rating(8, [MARK, MARK, MARK, 9.0], therapist_id="canary-therapist-2"),
        rating(3, [9.0, 9.0, MARK, 9.0], id="canary-id-of-another-body"),
        rating(4, [9.0, MARK, 9.0, 9.0], id="canary-id-of-another-body"),
    ]
    return [*steady, *fallen, *wrong, rating(13, None), rating(2, None, status="withdrawn")]


@pytest.fixture(scope="module")
def exhaust(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exhaust]:
    """What a stack gave off that was told about the canary client."""
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("privacy")) as stack,
    ):
        stack.client.put_therapist("north", THERAPIST, {"address": "somebody@practice.example"})
        for one in all_kinds():
            stack.send("north", [one])
        stack.settled()
        _use_fhir(stack)
        mails = [stack.mails.read(mail["number"])["text"] for mail in stack.mails.list()]
        links = [link for mail in mails for link in re.findall(r"https?://\S+", mail)]
        for link in links:
            assert httpx.get(link, trust_env=False, follow_redirects=True).status_code == 200
        yield Exhaust(_logs(stack), _metrics(stack), mails, _keys_and_headers(backend), links)


def _use_fhir(stack: ServiceStack) -> None:
    """Send responses about the client that store nothing, and read what is served about them."""
    named = {
        "subject": {"reference": f"Patient/{CLIENT}"},
        "encounter": {"reference": f"Encounter/{SESSION}-14"},
        "author": {"reference": f"Practitioner/{THERAPIST}"},
        "authored": "2026-01-15T10:00:00+01:00",
    }
    good = response(**named, item=answered(*[{"valueDecimal": MARK}] * 4))
    bad = response(**named, item=answered({"valueString": str(MARK)}), source={"reference": "Patient/canary"})
    hook = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": f"Practitioner/{THERAPIST}", "patientId": CLIENT},
    }
    head = {"Authorization": f"Bearer {stack.where.key}", "Rapport-Practice": "north"}
    with httpx.Client(headers=head, trust_env=False) as client:
        fhir = f"{stack.where.ingest_url}/v1/fhir"
        for sent, expected in ((good, 200), (bad, 422)):
            answer = client.post(f"{fhir}/QuestionnaireResponse?dry_run=true", json=sent)
            assert answer.status_code == expected, answer.text
        assert client.post(f"{fhir}?dry_run=true", json=bundle(good, bad)).status_code == 200
        found = client.get(f"{stack.where.results_url}/v1/fhir/Observation", params={"subject": CLIENT})
        assert len(found.json()["entry"]) >= 10
        told = client.get(f"{stack.where.notifier_url}/v1/fhir/Communication")
        assert len(told.json()["entry"]) >= 1
        cards = client.post(f"{stack.where.notifier_url}/cds-services/rapport-to-review", json=hook)
        assert cards.status_code == 200
        assert re.search(rf"canary|{_MARK}", cards.text) is None


def _logs(stack: ServiceStack) -> str:
    return "\n".join(process.log.read_text() for process in stack.supervisor.processes.values())


def _metrics(stack: ServiceStack) -> str:
    urls = stack.supervisor.management_urls.values()
    return "\n".join(httpx.get(f"{url}/metrics", trust_env=False).text for url in urls)


def _keys_and_headers(backend: Backend) -> list[str]:
    consumer = Consumer({"bootstrap.servers": backend.bootstrap, "group.id": "canary-reader", "log_level": 0})
    found = []
    try:
        for topic in (topic.name for topic in ALL):
            for partition in range(backend.partitions):
                place = TopicPartition(topic, partition, 0)
                _, high = consumer.get_watermark_offsets(place, timeout=10)
                consumer.assign([place])
                for _ in range(high):
                    message = consumer.poll(10)
                    assert message is not None
                    found.append(f"{message.key()!r} {message.headers()!r}")
    finally:
        consumer.close()
    return found


def test_someone_was_told_so_that_there_is_something_to_leak(exhaust: Exhaust) -> None:
    assert len(exhaust.mails) >= 1
    assert len(exhaust.keys_and_headers) >= 10
    assert "rapport_rejections_total" in exhaust.metrics


def test_logs_name_no_person_and_no_mark(exhaust: Exhaust) -> None:
    assert PERSONAL.search(exhaust.logs) is None


def test_metrics_name_no_person_and_no_mark(exhaust: Exhaust) -> None:
    assert PERSONAL.search(exhaust.metrics) is None


def test_mails_say_neither_who_nor_what_it_is_about(exhaust: Exhaust) -> None:
    assert [mail for mail in exhaust.mails if CANARIES.search(mail)] == []


def test_links_hold_nothing_readable(exhaust: Exhaust) -> None:
    assert [link for link in exhaust.links if CANARIES.search(link)] == []


def test_keys_and_headers_of_records_name_no_person(exhaust: Exhaust) -> None:
    assert [found for found in exhaust.keys_and_headers if PERSONAL.search(found)] == []
