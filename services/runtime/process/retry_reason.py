"""Decides from an exception whether to try again, and because of which failure."""

import psycopg
from aiokafka.errors import KafkaError
from psycopg import errors as sql
from psycopg_pool import PoolTimeout

from services.runtime.process.errors import Fault, Retry
from services.runtime.process.metrics import RetryReason

_DATABASE = (
    psycopg.OperationalError,  # away, restarting, a deadlock, a lock or serialisation that failed
    psycopg.InterfaceError,  # the connection was closed meanwhile
    sql.IdleInTransactionSessionTimeout,  # this process was paused for too long in a transaction
    sql.ReadOnlySqlTransaction,  # a standby that is about to be promoted
    sql.UndefinedTable,  # the migrations have not run yet
    sql.UndefinedColumn,
    sql.InvalidSchemaName,
    sql.InsufficientPrivilege,
    PoolTimeout,
)


def retry_reason(error: BaseException) -> RetryReason | None:
    """Return why the same work may succeed later; None when the data are at fault and it would fail again."""
    if isinstance(error, _DATABASE):
        return RetryReason.DATABASE
    if isinstance(error, KafkaError):
        return RetryReason.KAFKA
    if isinstance(error, Retry):
        cause = error.__cause__
        reason = None if cause is None else retry_reason(cause)
        return reason if reason in {RetryReason.DATABASE, RetryReason.KAFKA} else RetryReason.PUBLISH
    if isinstance(error, Fault):
        return None
    if isinstance(error, TimeoutError | ConnectionError):
        return RetryReason.OTHER
    return None
