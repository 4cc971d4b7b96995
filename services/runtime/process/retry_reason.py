"""Which part of the surroundings failed, if any: an exception in, the reason to try again out."""

import psycopg
from aiokafka.errors import KafkaError
from psycopg import errors as sql
from psycopg_pool import PoolTimeout

from services.runtime.process.errors import Fault, Retry
from services.runtime.process.metrics import RetryReason

_DATABASE = (
    psycopg.OperationalError,  # away, restarting, a deadlock, a lock or serialisation that failed
    psycopg.InterfaceError,  # the connection was closed under us
    sql.IdleInTransactionSessionTimeout,  # we were paused for too long with the transaction open
    sql.ReadOnlySqlTransaction,  # a standby that is about to be promoted
    sql.UndefinedTable,  # the migrations have not run yet
    sql.UndefinedColumn,
    sql.InvalidSchemaName,
    sql.InsufficientPrivilege,
    PoolTimeout,
)


def retry_reason(error: BaseException) -> RetryReason | None:
    """Why the same work is worth trying again; None: it would fail again, the data are at fault."""
    if isinstance(error, _DATABASE):
        return RetryReason.DATABASE
    if isinstance(error, KafkaError):
        return RetryReason.KAFKA
    if isinstance(error, Retry):
        cause = error.__cause__
        named = None if cause is None else retry_reason(cause)
        return named if named in {RetryReason.DATABASE, RetryReason.KAFKA} else RetryReason.PUBLISH
    if isinstance(error, Fault):
        return None
    if isinstance(error, TimeoutError | ConnectionError):
        return RetryReason.OTHER
    return None
