"""A transaction collects records and rejections in order, and shows no payloads."""

import pytest

from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Reject


def record(value: bytes) -> Record:
    """Return a record with this value."""
    return Record("in", 2, 7, 0, b"k", value, ())


def test_a_record_is_shown_without_its_payload() -> None:
    assert "secret" not in repr(record(b"secret"))
    assert "secret" not in repr(Outgoing("out", b"secret", b"secret"))
    assert "offset=7" in repr(record(b"secret"))


def transaction() -> Transaction:
    """Return a transaction without a database, of which only the lists are examined."""
    return Transaction(
        None,  # type: ignore[arg-type]
        now=None,  # type: ignore[arg-type]
        cluster_id="c",
        rejection_event=lambda rejection: Outgoing(
            "rejected", rejection.key or b"", rejection.reason.encode(), rejection.partition
        ),
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
