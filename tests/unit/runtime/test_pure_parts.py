"""The parts without input or output: where to start, when to stop, how long to wait, where a key goes."""

import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import DefaultPartitioner

from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.startup_checks import check_partitions
from services.runtime.http.paging import START, Cursor, decode_cursor, encode_cursor
from services.runtime.http.problem import Problem
from services.runtime.kafka.producer import MAX_RECORD_BYTES, partition_of
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.positions import starting_offset
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Halt, Reject, Retry
from services.runtime.process.kill_points import LABELS, kill_at, no_checkpoint
from services.runtime.process.metrics import RetryReason
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import FuseSettings

PLACE = ("topic", 3)


@pytest.mark.parametrize(
    ("applied", "committed", "start"),
    [
        (None, None, 10),
        (None, 40, 10),
        (30, None, 30),
        (30, 40, 30),
        (30, 20, 20),
        (30, 5, 10),
        (10, 10, 10),
        (50, 50, 50),
    ],
)
def test_reading_starts_at_the_lower_of_applied_and_committed(
    applied: int | None, committed: int | None, start: int
) -> None:
    assert start == starting_offset(
        PLACE, applied=applied, committed=committed, begin=10, end=50, adopt=False
    )


@pytest.mark.parametrize(("applied", "what"), [(9, "1 records were deleted"), (51, "another log")])
def test_an_offset_outside_the_log_halts_with_the_command_that_repairs(applied: int, what: str) -> None:
    with pytest.raises(Halt, match=f"topic/3: .*{what}.*rapport topics adopt-cluster"):
        starting_offset(PLACE, applied=applied, committed=None, begin=10, end=50, adopt=False)


def test_an_embedded_log_is_taken_as_it_is() -> None:
    assert starting_offset(PLACE, applied=51, committed=51, begin=10, end=50, adopt=True) == 10


def test_ten_bad_records_in_a_row_pass_and_the_eleventh_blows_the_fuse() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([True] * 10)

    with pytest.raises(Halt, match="11 records in a row"):
        fuse.add([True])


def test_a_good_record_ends_the_row() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([*[True] * 10, False, *[True] * 10])

    assert fuse.in_a_row == 10


def test_five_percent_of_the_last_thousand_blow_the_fuse() -> None:
    fuse = Fuse(FuseSettings())
    fuse.add([*[False] * 900, *[True, False] * 49])

    with pytest.raises(Halt, match="50 of the last"):
        fuse.add([True])


def test_bad_records_leave_the_window() -> None:
    fuse = Fuse(FuseSettings())
    for _ in range(20):
        fuse.add([True] * 10 + [False] * 990)

    assert fuse.in_window == 10


def test_looking_ahead_counts_nothing() -> None:
    fuse = Fuse(FuseSettings())
    with pytest.raises(Halt):
        fuse.check([True] * 11)

    assert (fuse.in_a_row, fuse.in_window) == (0, 0)


@pytest.mark.parametrize("partitions", [4, 24])
def test_a_key_goes_where_kafkas_own_clients_send_it(partitions: int) -> None:
    theirs = DefaultPartitioner()
    every = list(range(partitions))

    for number in range(200):
        key = f"key-{number}".encode()
        assert theirs(key, every, every) == partition_of(key, partitions)


def test_the_partition_of_a_known_key_never_changes() -> None:
    # From Kafka's own tests of murmur2: the hash of this key is 582546592 after its sign bit is cleared.
    assert (
        partition_of(b"a-little-bit-long-string", 1_000_000_007) == (-985981536 & 0x7FFFFFFF) % 1_000_000_007
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (psycopg.OperationalError(), RetryReason.DATABASE),
        (psycopg.errors.DeadlockDetected(), RetryReason.DATABASE),
        (psycopg.errors.LockNotAvailable(), RetryReason.DATABASE),
        (psycopg.errors.IdleInTransactionSessionTimeout(), RetryReason.DATABASE),
        (psycopg.errors.UndefinedTable(), RetryReason.DATABASE),
        (KafkaConnectionError(), RetryReason.KAFKA),
        (Retry("no acknowledgement"), RetryReason.PUBLISH),
        (TimeoutError(), RetryReason.OTHER),
        (psycopg.errors.UniqueViolation(), None),
        (psycopg.errors.NumericValueOutOfRange(), None),
        (ValueError(), None),
        (Halt("stop"), None),
        (Reject("x", "y"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_failures_of_the_surroundings_are_tried_again(
    error: Exception, reason: RetryReason | None
) -> None:
    assert reason is retry_reason(error)


def test_a_refusal_by_kafka_is_told_from_a_silence() -> None:
    refused = Retry("refused")
    refused.__cause__ = KafkaConnectionError()

    assert retry_reason(refused) is RetryReason.KAFKA


@pytest.mark.parametrize("cursor", [START, Cursor(1, 2), Cursor(2**64 - 1, 2**63 - 1)])
def test_a_cursor_survives_the_way_there_and_back(cursor: Cursor) -> None:
    assert decode_cursor(encode_cursor(cursor)) == cursor


@pytest.mark.parametrize("text", ["x", "%", "AAAA", "é", "_" * 22, "A" * 40])
def test_a_cursor_that_is_none_of_ours_is_a_problem(text: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(text)

    assert caught.value.status == 400


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_cursor_one_starts_at_the_beginning(text: str | None) -> None:
    assert decode_cursor(text) == START


def test_topics_with_different_partitions_halt() -> None:
    with pytest.raises(Halt, match="a 4, b 24"):
        check_partitions({"a": 4, "b": 24, "c": 7}, ["a", "b"])


def test_an_embedded_broker_must_have_given_four_partitions() -> None:
    with pytest.raises(Halt, match="need 4 partitions"):
        check_partitions({"a": 24}, ["a"], expected=4)


def test_without_a_wish_no_checkpoint_stops() -> None:
    assert kill_at(None) is no_checkpoint
    assert kill_at("") is no_checkpoint


@pytest.mark.parametrize("spec", ["nowhere", "after-read:0", "after-read:x"])
def test_a_wish_that_cannot_be_granted_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        kill_at(spec)


def test_other_labels_are_passed() -> None:
    checkpoint = kill_at("after-publish")

    for label in LABELS:
        if label != "after-publish":
            checkpoint(label)


def record(value: bytes) -> Record:
    """A record with this value."""
    return Record("in", 2, 7, 0, b"k", value, ())


def test_a_record_is_shown_without_its_payload() -> None:
    assert "secret" not in repr(record(b"secret"))
    assert "secret" not in repr(Outgoing("out", b"secret", b"secret"))
    assert "offset=7" in repr(record(b"secret"))


def transaction() -> Transaction:
    """A transaction without a database: only its lists are looked at."""
    return Transaction(
        None,  # type: ignore[arg-type]
        now=None,  # type: ignore[arg-type]
        cluster_id="c",
        rejection_event=lambda one: Outgoing("rejected", one.key or b"", one.reason.encode(), one.partition),
    )


def test_what_is_published_keeps_its_order_with_rejections() -> None:
    tx = transaction()
    tx.publish(Outgoing("out", b"k", b"1", 2))
    tx.reject(record(b"x"), Reject("refused", "not wanted"))
    tx.publish(Outgoing("out", b"k", b"2", 2))

    assert [out.value for out in tx.outgoing] == [b"1", b"refused", b"2"]


def test_only_records_that_could_not_be_read_count_for_the_fuse() -> None:
    tx = transaction()
    tx.reject(record(b"x"), Reject("refused", "not wanted"))
    before = set(tx.bad_records)
    tx.reject(record(b"x"), Reject("undecodable", "no number", counts_for_fuse=True))

    assert before == set()
    assert tx.bad_records == {("in", 2, 7)}


def test_a_record_that_kafka_would_refuse_is_rejected_before_it_is_stored() -> None:
    with pytest.raises(Reject, match="too large"):
        transaction().publish(Outgoing("out", b"k", b"x" * (MAX_RECORD_BYTES + 1), 2))
