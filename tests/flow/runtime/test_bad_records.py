"""A bad record is rejected alone, with the reason; when most records are bad, the consumer halts instead."""

import json

import pytest
from aiokafka import AIOKafkaProducer

from services.runtime.outbox.halts import HaltStore
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.settings import FuseSettings
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import SCHEMA, Sample

HALTS = HaltStore(SCHEMA)


async def test_an_undecodable_record_is_rejected_alone(sample: Sample) -> None:
    await sample.send(["1", "bad", "2"])

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1", "2"])

    assert sample.query('SELECT reason, detail, value, key, "offset" FROM sample.rejection') == [
        ("undecodable", "no number", b"bad", b"k1", 1)
    ]
    assert [f"{sample.topic}/0/1/undecodable"] == await sample.published(sample.rejected)


async def test_the_record_at_which_the_handler_fails_is_found_and_the_others_take_effect(
    sample: Sample,
) -> None:
    values = [str(number) for number in range(40)]
    await sample.send([*values[:23], "poison", *values[23:]])
    process = sample.consumer(max_records=100)

    async with process():
        await until(lambda: sample.effects() == values, "all but the poison")

    assert sample.query('SELECT reason, detail, "offset" FROM sample.rejection') == [
        ("unprocessable", "ValueError", 23)
    ]
    assert values == await sample.published()
    assert process.value("rapport_batch_splits_total") == 6
    assert process.value("rapport_rejections_total", reason="unprocessable") == 1


async def test_a_rejected_record_keeps_its_tenant_and_subject(sample: Sample) -> None:
    await sample.send(["poison"])

    async with sample.consumer(owner_of=lambda _record: ("t1", "s1"))():
        await until(lambda: sample.query("SELECT 1 FROM sample.rejection") != [])

    assert sample.query("SELECT reason, tenant, subject_id FROM sample.rejection") == [
        ("unprocessable", "t1", "s1")
    ]


async def test_the_message_of_the_handlers_exception_is_not_stored(sample: Sample) -> None:
    await sample.send(["poison"])

    async with sample.consumer()():
        await until(lambda: sample.query("SELECT 1 FROM sample.rejection") != [])

    assert "personal" not in str(sample.query("SELECT reason, detail FROM sample.rejection"))


async def test_a_rejection_of_the_domain_keeps_tenant_and_subject(sample: Sample) -> None:
    await sample.send(["refused"])

    async with sample.consumer()():
        await until(lambda: sample.query("SELECT 1 FROM sample.rejection") != [])

    assert sample.query("SELECT reason, tenant, subject_id FROM sample.rejection") == [
        ("refused", "t1", "s1")
    ]


async def test_only_what_a_sandbox_gets_wrong_itself_is_not_counted(sample: Sample) -> None:
    await sample.send(["refused-in-sandbox", "refused", "poison", "1"])
    process = sample.consumer(owner_of=lambda _record: ("t1.sandbox", "s1"))

    async with process():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query('SELECT tenant, reason FROM sample.rejection ORDER BY "offset"') == [
        ("t1.sandbox", "refused"),
        ("t1", "refused"),
        ("t1.sandbox", "unprocessable"),
    ]
    assert process.value("rapport_rejections_total", reason="refused") == 1
    assert process.value("rapport_rejections_total", reason="unprocessable") == 1


async def test_eleven_bad_records_in_a_row_halt_the_consumer_and_reject_nothing(sample: Sample) -> None:
    await sample.send(["bad"] * 11)
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

        assert not process.health.healthy
        assert "11 records in a row could not be processed" in process.reasons["consumer"]
        assert process.health.stuck == ()
        assert process.value("rapport_fuse_blown") == 1
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


async def test_records_that_fail_are_rejected_one_by_one_until_the_fuse_blows(sample: Sample) -> None:
    await sample.send(["poison"] * 20)
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

    assert sample.query("SELECT count(*) FROM sample.rejection") == [(10,)]


async def set_aside(sample: Sample, first: int, last: int) -> None:
    """Do what `rapport rejected set-aside` does."""
    async with await connect_for_all_practices(sample.database, "operator") as conn:
        (halt,) = await HALTS.read(conn)
        await HALTS.let_set_aside(conn, halt, range(first, last + 1))


async def test_a_halt_names_place_and_reason_and_the_command_that_goes_on(sample: Sample) -> None:
    await sample.send(["1", *["bad"] * 11])
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

    ((detail, next_offset),) = sample.query("SELECT detail, next_offset FROM sample.halt")
    assert next_offset == 0
    assert detail == (
        f"{sample.topic}/0: 11 records in a row could not be processed, the last at offset 11"
        f" (undecodable: no number); look with `rapport rejected peek --topic {sample.topic} --partition 0"
        " --from 0 --to 11`, then go on with `rapport rejected set-aside` and the same options"
    )


@pytest.mark.parametrize(("value", "reason"), [("bad", "undecodable"), ("poison", "unprocessable")])
async def test_bad_records_are_set_aside_while_the_consumer_is_halted_and_it_goes_on(
    sample: Sample, value: str, reason: str
) -> None:
    await sample.send(["1", *[value] * 11, "2", *[value] * 3, "3"])
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")
        await set_aside(sample, 0, 16)
        await until(lambda: sample.effects() == ["1", "2", "3"], "all good records", 120)
        await until(lambda: process.health.healthy, "readiness")

    assert sample.query(
        'SELECT reason, count(*), min("offset"), max("offset") FROM sample.rejection GROUP BY 1'
    ) == [(reason, 14, 1, 15)]
    assert len(await sample.published(sample.rejected)) == 14


async def test_bad_records_behind_those_set_aside_count_for_the_fuse(sample: Sample) -> None:
    await sample.send([*["bad"] * 11, *["bad"] * 11, "1"])
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")
        await set_aside(sample, 0, 10)
        await until(
            lambda: sample.query("SELECT detail FROM sample.halt WHERE detail LIKE '%offset 21 %'") != [],
            "the next halt",
            120,
        )

    assert sample.effects() == []


async def test_with_raised_limits_all_bad_records_are_rejected(sample: Sample) -> None:
    await sample.send([*["bad"] * 20, "1"])

    async with sample.consumer(fuse=FuseSettings(in_a_row=100, of_last_1000=100))():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query("SELECT count(*) FROM sample.rejection") == [(20,)]


async def test_rejections_of_the_domain_never_blow_the_fuse(sample: Sample) -> None:
    await sample.send([*["refused"] * 120, "1"])
    process = sample.consumer()

    async with process():
        await until(lambda: sample.effects() == ["1"])

        assert process.health.healthy
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(120,)]


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", b"\xff\xfe")],
        [("correlation_id", None)],
        [("reply_to", b"somewhere-else")],
        [("content-type", b"application/json"), ("content-type", b"text/plain")],
        [("é" * 300, b"\x00" * 5000)],
    ],
    ids=["not-utf8", "null", "reply-to", "twice", "long"],
)
async def test_no_header_prevents_a_record_from_being_processed(
    sample: Sample, headers: list[tuple[str, bytes | None]]
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=sample.bootstrap)
    await producer.start()
    for number in range(3):
        await producer.send_and_wait(
            sample.topic, str(number).encode(), b"k", 0, headers=headers if number == 1 else []
        )
    await producer.stop()

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["0", "1", "2"])

    assert await sample.published("somewhere-else") == []


async def test_a_value_or_key_of_null_reaches_the_handler(sample: Sample) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=sample.bootstrap)
    await producer.start()
    await producer.send_and_wait(sample.topic, None, b"k", 0)
    await producer.send_and_wait(sample.topic, b"1", None, 0)
    await producer.stop()

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["", "1"])


async def test_the_repr_of_a_session_shows_no_payload(sample: Sample) -> None:
    await sample.send([json.dumps({"name": "someone"}), "bad"])

    async with sample.consumer()() as consumer:
        await until(lambda: sample.query("SELECT 1 FROM sample.rejection") != [])

        assert "someone" not in repr(consumer.session)


@pytest.mark.parametrize("compression", ["gzip", "lz4", "snappy", "zstd"])
async def test_compressed_records_are_read(sample: Sample, compression: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=sample.bootstrap, compression_type=compression)
    await producer.start()
    await producer.send_and_wait(sample.topic, b"1" * 500, b"k", 0)
    await producer.stop()

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1" * 500])
