"""Rejected records are counted, shown and published again once, however often the command is repeated."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from services.cli.__main__ import application
from services.cli.commands import rejected as command
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox import rejected_records
from services.runtime.outbox.rejected_records import RejectedRecords, RejectionFilter
from services.runtime.postgres.migrations import migrate
from services.runtime.process.errors import Retry
from tests.flow.detector.test_results import results_client
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, record_of

GOOD = (4.5, 4.5, 4.5)
ALL = RejectionFilter()
RECORDS = RejectedRecords("detector")


class Log:
    """The topic behind the detector: what is published again gets the next offsets, and is read again."""

    def __init__(self, detector: DetectorDriver) -> None:
        self.detector = detector
        self.published: list[Outgoing] = []

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        self.published += outgoing

    async def replay(self, which: RejectionFilter = ALL, limit: int = 10_000) -> dict[str, int]:
        """Replay, then let the detector read what was published."""
        self.published.clear()
        await self.detector.conn.commit()
        done = await RECORDS.replay(self.detector.conn, which, self.publish, limit=limit)
        read = []
        for number, out in enumerate(self.published, self.detector.offset):
            assert out.partition is not None
            read.append(Record(out.topic, out.partition, number, 0, out.key, out.value))
        self.detector.offset += len(read)
        if read:
            await self.detector.feed(read)
        return done


async def reject(detector: DetectorDriver, count: int, instrument: str = "nobody-knows") -> None:
    await detector.rate(
        *[
            body(number / 100, GOOD, id=f"r{number}", session_id=f"s{number}", instrument=instrument)
            for number in range(count)
        ]
    )


async def test_repeating_a_replay_multiplies_no_rejection(detector: DetectorDriver) -> None:
    await reject(detector, 20)
    log = Log(detector)
    waiting = []
    for _ in range(5):
        assert await log.replay() == {"unknown-instrument": 20}
        (count,) = await RECORDS.count(detector.conn, ALL)
        waiting.append(count.waiting)
    assert waiting == [20] * 5
    assert count.replayed == 100


async def test_a_replay_with_a_limit_goes_on_behind_the_oldest(detector: DetectorDriver) -> None:
    await reject(detector, 10)
    log = Log(detector)
    seen = []
    for _ in range(3):
        await log.replay(limit=4)
        seen.append([out.value for out in log.published])
    expected = [
        record_of(
            body(number / 100, GOOD, id=f"r{number}", session_id=f"s{number}", instrument="nobody-knows"), 0
        )
        for number in range(10)
    ]
    assert [value for values in seen for value in values][:10] == [record.value for record in expected]
    assert [len(values) for values in seen] == [4, 4, 4]


async def test_a_record_has_its_first_bytes_key_and_partition_and_the_balance_counts_it_once(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    record = record_of(body(0, GOOD, id="one", instrument="nobody-knows"), 0)
    await detector.feed([record])
    detector.offset = 1
    log = Log(detector)
    async with results_client(database_url, tmp_path, "north") as north:
        await log.replay()
        (out,) = log.published
        balance = (await north.get("/v1/balance")).json()["deliveries"]
        listed = (await north.get("/v1/rejections")).json()["rejections"]
        status = (await north.get("/v1/ratings/one")).json()
    assert (out.topic, out.key, out.value, out.partition) == (
        record.topic,
        record.key,
        record.value,
        record.partition,
    )
    assert balance["rejected"] == {"unknown-instrument": 1}
    assert [one["replayed_at"] is None for one in listed] == [False, True]
    assert [one["outcome"] for one in status["deliveries"]] == ["rejected"]


async def test_what_was_not_acknowledged_waits_for_the_next_run(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_records, "REPLAYED_AT_ONCE", 3)
    await reject(detector, 10)
    published: list[Outgoing] = []

    async def publish(outgoing: Sequence[Outgoing]) -> None:
        if len(published) == 6:
            raise Retry("Kafka is away")
        published.extend(outgoing)

    with pytest.raises(Retry):
        await RECORDS.replay(detector.conn, ALL, publish, limit=10_000)
    (count,) = await RECORDS.count(detector.conn, ALL)
    assert (count.waiting, count.replayed) == (4, 6)


async def test_what_only_another_version_can_read_is_published_only_by_name(detector: DetectorDriver) -> None:
    record = record_of(body(0, GOOD), 0)
    await detector.feed([Record(record.topic, 0, number, 0, b"k", b"no event") for number in range(3)])
    log = Log(detector)
    assert await log.replay(RejectionFilter(except_reasons=command.PROGRAM_FAULTS)) == {}
    named = RejectionFilter(reason="undecodable", except_reasons=command.PROGRAM_FAULTS)
    assert await log.replay(named) == {"undecodable": 3}


def test_the_commands_cover_the_rejections_of_both_services(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database_url, "notifier")
    with psycopg.connect(database_url) as conn:
        for schema, reason in (("detector", "id-reused"), ("notifier", "undecodable")):
            conn.execute(
                f"INSERT INTO {schema}.rejection VALUES"
                " ('c', 'topic', 1, 7, 'k', 'marks', %s, 'a detail', 'north', 'r-1', %s)",
                (reason, NOW),
            )
    monkeypatch.setenv("DATABASE_URL", database_url)
    run = CliRunner()
    listed = run.invoke(application(), ["rejected", "list"]).output
    assert [line.split()[:4] for line in listed.splitlines() if "2026-03-02" in line] == [
        ["detector", "id-reused", "1", "0"],
        ["notifier", "undecodable", "1", "0"],
    ]
    shown = run.invoke(application(), ["rejected", "show", "topic/1/7"])
    assert (shown.exit_code, shown.output.count("a detail"), "marks" in shown.output) == (0, 2, False)
    by_id = run.invoke(application(), ["rejected", "show", "r-1", "--service", "notifier", "--value"])
    assert (by_id.output.count("a detail"), "marks" in by_id.output) == (1, True)
    assert run.invoke(application(), ["rejected", "show", "another"]).exit_code == 1
    counted = run.invoke(application(), ["rejected", "replay", "--dry-run"])
    assert counted.output == "detector: 1 would be published again: id-reused\n"
