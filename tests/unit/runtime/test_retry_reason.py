"""Only failures of Kafka, PostgreSQL or the network are worth trying again."""

import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError
from psycopg_pool import PoolTimeout

from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Halt, Hang, Reject, Retry, TooMuch
from services.runtime.process.retry_reason import retry_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (psycopg.OperationalError(), RetryReason.DATABASE),
        (psycopg.errors.DeadlockDetected(), RetryReason.DATABASE),
        (psycopg.errors.LockNotAvailable(), RetryReason.DATABASE),
        (psycopg.errors.UndefinedTable(), RetryReason.DATABASE),
        (KafkaConnectionError(), RetryReason.KAFKA),
        (psycopg.errors.DiskFull(), RetryReason.DATABASE),
        (psycopg.errors.AdminShutdown(), RetryReason.DATABASE),
        (psycopg.errors.IoError(), RetryReason.DATABASE),
        (psycopg.errors.ReadOnlySqlTransaction(), RetryReason.DATABASE),
        (psycopg.errors.FeatureNotSupported(), RetryReason.DATABASE),
        (PoolTimeout(), RetryReason.DATABASE),
        (psycopg.errors.QueryCanceled(), RetryReason.TOO_MUCH),
        (psycopg.errors.TransactionTimeout(), RetryReason.TOO_MUCH),
        (psycopg.errors.IdleInTransactionSessionTimeout(), RetryReason.TOO_MUCH),
        (Hang("nothing is finished"), RetryReason.OTHER),
        (TooMuch("a transaction took longer than 60 s"), RetryReason.TOO_MUCH),
        (Retry("no acknowledgement"), RetryReason.PUBLISH),
        (TimeoutError(), RetryReason.OTHER),
        (psycopg.errors.UniqueViolation(), None),
        (psycopg.errors.NumericValueOutOfRange(), None),
        (psycopg.errors.CharacterNotInRepertoire(), None),
        (psycopg.errors.ProgramLimitExceeded(), None),
        (psycopg.errors.SyntaxError(), None),
        (psycopg.DataError("a text cannot contain NUL"), None),
        (ValueError(), None),
        (Halt("stop"), None),
        (Reject("x", "y"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_failures_of_database_kafka_or_network_are_tried_again(
    error: Exception, reason: RetryReason | None
) -> None:
    assert reason is retry_reason(error)


def test_a_refusal_by_kafka_is_distinguished_from_a_missing_acknowledgement() -> None:
    refused = Retry("refused")
    refused.__cause__ = KafkaConnectionError()

    assert retry_reason(refused) is RetryReason.KAFKA
