"""A service that is killed between any two steps of the order of effects, and started again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from schemas.topics import EPISODE_CHANGED
from services.cli.demo.input_ratings import InputRating
from services.runtime.process.kill_points import KILLED_EXIT_CODE, LABELS
from tests.faults.conftest import introduce, send
from tests.support import invariants
from tests.support.backend import Backend
from tests.support.final_state import FinalState, final_state, mails_sent, published_records
from tests.support.service_stack import ServiceStack, running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(180)]

NO_EVENT = b"this is no event"
PARTS = 4
"""The ratings are sent in so many parts, so that several batches pass every label."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let several batches of each part be full: the next one begins while such a one is published."""
    monkeypatch.setenv("DETECTOR_MAX_RECORDS", "16")


def _parts(sent: Sequence[InputRating]) -> list[Sequence[InputRating]]:
    size = -(-len(sent) // PARTS)
    return [sent[start : start + size] for start in range(0, len(sent), size)]


def _taken_up(stack: ServiceStack, service: str) -> bool:
    if stack.supervisor.processes[service].pid is None:
        return True
    try:
        return stack.balance().delivered >= stack.report.accepted
    except httpx.TransportError:  # it is dying at this moment, or its answer would be that of the dead
        return False


def write(backend: Backend, topic: str, partition: int, value: bytes) -> None:
    """Put a record into a topic, as anyone with the rights could, and wait for its acknowledgement."""
    producer = Producer({"bootstrap.servers": backend.bootstrap, "log_level": 0})
    producer.produce(topic, value=value, partition=partition)
    assert producer.flush(15) == 0


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("service", ["detector", "notifier"])
def test_a_kill_at_this_label_ends_in_the_same_table_and_tells_nobody_twice(
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
        introduce_first = service != "notifier"
        if introduce_first:
            introduce(stack, sent)
        # The second passage: the first may be a heartbeat's.
        stack.start(service, kill_at=f"{label}:2")
        for number, part in enumerate(_parts(sent)):
            send(stack, part)
            # Part by part, so that each is a batch of its own; the dead take up nothing any more.
            wait_until(partial(_taken_up, stack, service), "the detector takes the ratings up")
            # Something that the notifier must publish about, too: by itself it only listens here.
            write(backend, EPISODE_CHANGED.name, number, NO_EVENT)
        assert stack.wait_end(service) == KILLED_EXIT_CODE

        stack.start(service)
        if not introduce_first:
            introduce(stack, sent)
        assert undisturbed == final_state(stack, database_url)
        events = [record for record in published_records(backend) if record.value != NO_EVENT]
        assert invariants.ids_with_two_contents(events) == []
        # Mail is sent at least once, under the same id each time: a mail program shows it once.
        assert mails_sent(database_url) == len({mail["message_id"] for mail in stack.mails.list()})
