"""A service that is killed between any two steps and started again reaches the same final state."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from schemas.topics import EPISODE_CHANGED
from services.cli.demo.input_ratings import InputRating
from services.runtime.process.kill_points import KILLED_EXIT_CODE, LABELS
from tests.faults.conftest import add_therapists, send
from tests.support import invariants
from tests.support.backend import Backend
from tests.support.final_state import FinalState, final_state, mails_sent, published_records
from tests.support.service_stack import ServiceStack, running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(180)]

NOT_AN_EVENT = b"this is no event"
PARTS = 4
"""The number of parts in which the ratings are sent, so that several batches pass every label."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make several batches of each part full, so that the next begins while a full one is published."""
    monkeypatch.setenv("DETECTOR_MAX_RECORDS", "16")


def _parts(sent: Sequence[InputRating]) -> list[Sequence[InputRating]]:
    size = -(-len(sent) // PARTS)
    return [sent[start : start + size] for start in range(0, len(sent), size)]


def _applied(stack: ServiceStack, service: str) -> bool:
    if stack.supervisor.processes[service].pid is None:
        return True
    try:
        return stack.balance().delivered >= stack.report.accepted
    except httpx.TransportError:  # the process is ending at this moment
        return False


def write(backend: Backend, topic: str, partition: int, value: bytes) -> None:
    """Write a record to a topic and wait for its acknowledgement."""
    producer = Producer({"bootstrap.servers": backend.bootstrap, "log_level": 0})
    producer.produce(topic, value=value, partition=partition)
    assert producer.flush(15) == 0


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("service", ["detector", "notifier"])
def test_a_kill_at_this_label_changes_no_final_table_and_notifies_nobody_twice(
    backend: Backend,
    database_url: str,
    tmp_path: Path,
    sent: list[InputRating],
    undisturbed: FinalState,
    service: str,
    label: str,
) -> None:
    others = tuple(name for name in ("notifier", "detector", "ingest") if name != service)
    with running_stack(backend, database_url, tmp_path, start=others) as stack:
        add_first = service != "notifier"
        if add_first:
            add_therapists(stack, sent)
        # Kill at the second passage, because a heartbeat may be the first.
        stack.start(service, kill_at=f"{label}:2")
        for number, part in enumerate(_parts(sent)):
            send(stack, part)
            # Wait after each part, so that each is a batch of its own; a killed service applies no more.
            wait_until(partial(_applied, stack, service), "the detector to apply the ratings")
            # Give the notifier something to publish: without it the notifier would only read here.
            write(backend, EPISODE_CHANGED.name, number, NOT_AN_EVENT)
        assert stack.wait_end(service) == KILLED_EXIT_CODE

        stack.start(service)
        if not add_first:
            add_therapists(stack, sent)
        assert undisturbed == final_state(stack, database_url)
        events = [record for record in published_records(backend) if record.value != NOT_AN_EVENT]
        assert invariants.ids_with_two_contents(events) == []
        # Mail is sent at least once, each time with the same id, so that a mail program shows it once.
        assert mails_sent(database_url) == len({mail["message_id"] for mail in stack.mails.list()})
