"""Topics that are read again as a whole change nothing and tell nobody; offsets set forward lose nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.faults.applied import wait_until_caught_up
from tests.support.faults.at_rest import READERS, committed_offsets
from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import NOTIFIER, Fleet
from tests.support.faults.observed import log_ends, of_practices, read_log, read_sink
from tests.support.faults.rows import Size, row
from tests.support.faults.scraped import total

EMPTY_DEADLINE_S = 60.0
"""Kafka sets no offset of a group with members, and a member is gone once it was silent for ten seconds."""


def _readers(fleet: Fleet) -> tuple[str, ...]:
    return (*fleet.detectors, NOTIFIER)


def _set_offsets(fleet: Fleet, *, to_the_end: bool = False) -> None:
    """Set what each group has committed to the beginning of every topic, or to the end."""
    admin = AdminClient({"bootstrap.servers": fleet.kafka.bootstrap, "log_level": 0})
    for group in READERS:
        places = [TopicPartition(*place) for place in committed_offsets(fleet.kafka.bootstrap, group)]
        for place, (begin, end) in zip(places, _watermarks(fleet, places), strict=True):
            place.offset = end if to_the_end else begin
        wanted = ConsumerGroupTopicPartitions(group, places)

        def is_set(wanted: ConsumerGroupTopicPartitions = wanted) -> bool:
            (future,) = admin.alter_consumer_group_offsets([wanted]).values()
            try:
                return all(one.error is None for one in future.result(timeout=15).topic_partitions)
            except KafkaException:  # the group has members
                return False

        wait(is_set, f"the offsets of {group} to be set", EMPTY_DEADLINE_S)


def _watermarks(fleet: Fleet, places: list[TopicPartition]) -> list[tuple[int, int]]:
    consumer = Consumer(
        {"bootstrap.servers": fleet.kafka.bootstrap, "group.id": "watermarks", "log_level": 0}
    )
    try:
        return [consumer.get_watermark_offsets(place, timeout=10) for place in places]
    finally:
        consumer.close()


@contextmanager
def _frozen(fleet: Fleet) -> Iterator[None]:
    """Freeze the readers, so that their groups lose them although they run."""
    for name in _readers(fleet):
        fleet.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name in _readers(fleet):
            fleet.signal(name, signal.SIGCONT)


@contextmanager
def _stopped(fleet: Fleet) -> Iterator[None]:
    for name in _readers(fleet):
        fleet.processes[name].stop()
    yield
    fleet.restart(_readers(fleet))


def _skipped(fleet: Fleet) -> float:
    return total(fleet, _readers(fleet), "rapport_record_outcomes_total", outcome="skipped")


def _told(run: FaultRun) -> tuple[int, int, int]:
    """Return how many records, mails and calls there are about the run's practices."""
    own = frozenset(run.practices)
    _, published = of_practices(read_log(run.fleet.kafka.bootstrap, {}), own)
    return (
        len(published),
        len(read_sink(run.fleet.sinks / "mails.ndjson", own)),
        len(read_sink(run.fleet.sinks / "webhooks.ndjson", own)),
    )


@row(scaled=240, full=2_000, in_ci=False)
def test_topics_read_again(fault_run: FaultRun, size: Size) -> str:
    """All offsets are set to the beginning, while services are frozen or stopped, and once to the end."""
    fleet, ratings = fault_run.fleet, len(fault_run.ratings)
    with fault_run.sending(slices=4) as gate:
        fault_run.wait_sent(ratings // 8)
        fault_run.measure_recovery()
        with _frozen(fleet):
            gate.release()
            fault_run.wait_sent(ratings * 3 // 8)
            _set_offsets(fleet)
        fault_run.measure_recovery()
        with _stopped(fleet):
            gate.release()
            fault_run.wait_sent(ratings * 5 // 8)
            _set_offsets(fleet)
        fault_run.measure_recovery()
        with _stopped(fleet):
            gate.release()
            fault_run.wait_sent(ratings * 7 // 8)
            _set_offsets(fleet, to_the_end=True)
        wait_until_caught_up(fault_run)
    fault_run.wait_until_at_rest()
    fault_run.recoveries_s.clear()
    before, skipped = _told(fault_run), _skipped(fleet)
    with _frozen(fleet):
        _set_offsets(fleet)
    for name in (fleet.detectors[0], NOTIFIER):
        fault_run.measure_recovery(name)
    again = _skipped(fleet) - skipped
    assert again >= sum(log_ends(fleet.kafka.bootstrap).values()) / 2, "the topics were not read again"
    assert _told(fault_run) == before
    return f"3 times to the beginning, once to the end; at the last, {again:,.0f} records read in vain"
