"""Decides from an exception whether to try again, and because of which failure."""

import psycopg
from aiokafka.errors import KafkaError

from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Collision, Fault, Hang, Retry, TooMuch

# PostgreSQL's codes decide, never the exception's class: psycopg raises a lost connection, a deadline that
# passed and an index row that is too large as the same class.
_AWAY_CLASSES = frozenset(
    {
        "08",  # the connection failed
        "40",  # a deadlock, or transactions that cannot be put into one order
        "53",  # no connection, memory or disk space is left
        "55",  # a lock was not available in time
        "57",  # the server shuts down or starts
        "58",  # the server's disk failed
    }
)
_AWAY = frozenset(
    {
        "0A000",  # a migration changed a table under a prepared statement
        "25006",  # a standby that is about to be promoted
        "26000",  # the prepared statement is gone with its connection
        "3F000",  # the migrations have not run yet, or do not allow this user to read the tables
        "42501",
        "42703",
        "42P01",
        "XX001",  # the server's data are damaged: an operator restores them, and no record is at fault
        "XX002",
    }
)
_TOO_MUCH = frozenset(
    {
        "25P03",  # idle_in_transaction_session_timeout: the work between two statements took too long
        "25P04",  # transaction_timeout
        "57014",  # statement_timeout, or the query was cancelled
    }
)


def retry_reason(error: BaseException) -> RetryReason | None:
    """Return why the same work may succeed later; None when the data are at fault and it would fail again.

    `TOO_MUCH` says that it may succeed in smaller parts.
    """
    if isinstance(error, psycopg.Error):
        return _of_database(error)
    if isinstance(error, Fault):
        return _of_fault(error)
    if isinstance(error, KafkaError):
        return RetryReason.KAFKA
    if isinstance(error, TimeoutError | ConnectionError):
        return RetryReason.OTHER
    return None


def _of_fault(error: Fault) -> RetryReason | None:
    if isinstance(error, TooMuch):
        return RetryReason.TOO_MUCH
    if isinstance(error, Hang):
        return RetryReason.OTHER
    if not isinstance(error, Retry):
        return None
    cause = error.__cause__
    reason = None if cause is None else retry_reason(cause)
    return reason if reason in {RetryReason.DATABASE, RetryReason.KAFKA} else RetryReason.PUBLISH


def is_collision(error: BaseException) -> bool:
    """Whether another transaction came in between, so that the same work can be repeated at once."""
    if isinstance(error, psycopg.Error):
        return (error.sqlstate or "").startswith("40")
    return isinstance(error, Collision)


def _of_database(error: psycopg.Error) -> RetryReason | None:
    state = error.sqlstate
    if state in _TOO_MUCH:
        return RetryReason.TOO_MUCH
    if state is None:
        # The client's own errors: without a connection, or about values that it cannot send.
        is_away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    else:
        is_away = state[:2] in _AWAY_CLASSES or state in _AWAY
    return RetryReason.DATABASE if is_away else None
