"""Poison between good records and a long backlog lose nothing and tell nobody twice."""

import json
import re
from collections.abc import Iterable

from confluent_kafka import Producer

from schemas.topics import ASSESSED, EPISODE_CHANGED, PARTITIONS, SESSION_RATED
from tests.support.detector.batch_driver import NOW, body
from tests.support.detector.batch_driver import record_of as rated_record
from tests.support.detector.episodes import changed
from tests.support.detector.episodes import record_of as changed_record
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import NOTIFIER, READY_DEADLINE_S
from tests.support.faults.rows import Size, row
from tests.support.poison import Poison, poisons

LARGEST_BYTES = 900_000
"""Kafka itself refuses a record of more than 1 MB."""
READ_BY = {"detector": SESSION_RATED.name, "notifier": EPISODE_CHANGED.name}
"""For each consumer, by its schema, the topic of it that is poisoned."""


def poison_of(topic: str, practice: str, *, each_field: bool) -> list[Poison]:
    """Return every kind of poison that a topic can hold: ratings of this practice, changes of another one.

    `each_field`: of each field what can be wrong with it, and not of one field for each kind of fault.
    """
    if topic == SESSION_RATED.name:
        rating = body(0, [4] * 9, case_id="x", recorded_at=NOW, next_session_at=NOW)
        good = rated_record(rating, 0, practice=practice)
        other = ASSESSED.name
    else:
        good = changed_record(changed(), 0)
        other = SESSION_RATED.name
    fields = "|".join(json.loads(good.value or b"")["data"])
    chosen: dict[str, Poison] = {}
    for one in poisons(good.key or b"", good.value or b"", other_type=other):
        kind = one.name if each_field else re.sub(rf"\b({fields})\b", "a field", one.name)
        if len(one.value or b"") < LARGEST_BYTES:
            chosen.setdefault(kind, one)
    return list(chosen.values())


def write(bootstrap: str, records: Iterable[tuple[str, int, Poison]]) -> None:
    """Write poison to topics and partitions."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for topic, partition, one in records:
        producer.produce(topic, value=one.value, key=one.key, partition=partition)
    assert producer.flush(60) == 0


@row(scaled=240, full=8_000)
def test_poison_between_good_records(fault_run: FaultRun, size: Size) -> str:
    """Poison of every kind between good records, for both consumers."""
    bootstrap, slices = fault_run.fleet.kafka.bootstrap, size.pick(6, 60)
    kinds = {
        topic: poison_of(topic, fault_run.practices[0], each_field=size.is_full)
        for topic in (SESSION_RATED.name, EPISODE_CHANGED.name)
    }
    before = {schema: _set_aside(fault_run, schema) for schema in READ_BY}
    with fault_run.sending(slices=slices) as gate:
        for number in range(slices):
            # A few at a time, and then good ones: the fuse is for a partition whose records are all bad.
            write(
                bootstrap,
                (
                    (topic, (number + place) % PARTITIONS, one)
                    for topic, poison in kinds.items()
                    for place, one in enumerate(poison[number::slices])
                ),
            )
            gate.release()
            fault_run.wait_sent(len(fault_run.ratings) * (number + 1) // slices)
            fault_run.measure_recovery()
            fault_run.measure_recovery(NOTIFIER)
    fault_run.recoveries_s.clear()
    fault_run.wait_until_at_rest()
    # A detector that starts reads what follows its own events in the log: here the poison of others.
    fault_run.fleet.restart(fault_run.fleet.detectors)
    for schema, topic in READ_BY.items():
        assert _set_aside(fault_run, schema) - before[schema] == len(kinds[topic]), schema
    return f"{sum(map(len, kinds.values()))} records set aside"


def _set_aside(run: FaultRun, schema: str) -> int:
    return int(
        str(run.fleet.query(f"SELECT count(*) FROM {schema}.rejection WHERE reason = 'undecodable'")[0][0])
    )


@row(scaled=600, full=40_000)
def test_backlog_of_the_notifier(fault_run: FaultRun, size: Size) -> str:
    """The notifier is away while ratings stream, and works off its backlog (10,000 records at full size)."""
    notifier = fault_run.fleet.processes[NOTIFIER]
    notifier.stop()
    with fault_run.sending():
        pass
    fault_run.measure_recovery(fault_run.fleet.detectors[0])
    query = "SELECT count(*) FROM detector.assessment WHERE practice_id = ANY(%s)"
    behind = int(str(fault_run.fleet.query(query, list(fault_run.practices))[0][0]))
    assert behind >= size.pick(300, 10_000)
    notifier.start()
    notifier.wait_ready(READY_DEADLINE_S)
    fault_run.recoveries_s.clear()
    fault_run.measure_recovery(NOTIFIER)
    return f"a backlog of {behind:,} assessments"
