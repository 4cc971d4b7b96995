"""Deletes the rows of tables whose time is over, once a day, in small transactions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter

from services.runtime.postgres.connect import Connection
from services.runtime.process.metrics import timestamp

EVERY = timedelta(days=1)
ROWS_AT_ONCE = 1_000

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext(%s))"

Transact = Callable[[Callable[[Connection], Awaitable[None]]], Awaitable[None]]
"""Runs work in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The rows of one table that are deleted when they are some days old."""

    table: str
    days: int
    delete: str
    """Deletes at most `%(at_most)s` rows from before `%(before)s`, and returns one row: their number."""


def rule(table: str, days: int, condition: str) -> RetentionRule:
    """Return the rule that deletes the rows of a table, with its schema, for which the condition holds."""
    chosen = f"SELECT ctid FROM {table} WHERE {condition} LIMIT %(at_most)s FOR UPDATE SKIP LOCKED"
    # Once more, because parts of a table that is divided have rows at the same places.
    delete = f"DELETE FROM {table} WHERE {condition} AND ctid IN ({chosen}) RETURNING 1"
    return RetentionRule(table, days, _counted(delete))


def audit_rule(schema: str, days: int) -> RetentionRule:
    """Return the rule for a log to which services only add: PostgreSQL deletes nothing of the last year."""
    return RetentionRule(
        f"{schema}.audit", days, f"SELECT {schema}.delete_old_audit(%(before)s, %(at_most)s)"
    )


def rejection_rule(schema: str, days: int) -> RetentionRule:
    """Return the rule for rejected records; their places in the log stay, so that the balance stays true."""
    table, place = f"{schema}.rejection", 'cluster_id, topic, partition, "offset"'
    return RetentionRule(
        table,
        days,
        _counted(
            f"DELETE FROM {table} WHERE ({place}) IN (SELECT {place} FROM {table}"
            " WHERE recorded_at < %(before)s LIMIT %(at_most)s FOR UPDATE SKIP LOCKED)"
            f" RETURNING {place}, CASE WHEN replayed_at IS NULL THEN tenant END AS tenant",
            f"kept AS (INSERT INTO {schema}.erased ({place}, tenant)"
            f" SELECT {place}, tenant FROM gone ON CONFLICT DO NOTHING)",
        ),
    )


def _counted(delete: str, *then: str) -> str:
    return f"WITH {', '.join((f'gone AS ({delete})', *then))} SELECT count(*) FROM gone"


class Retention:
    """Applies the rules of one service; replicas take turns."""

    def __init__(self, schema: str, rules: Sequence[RetentionRule], registry: CollectorRegistry) -> None:
        self._schema = schema
        self._rules = rules
        self._next_at: datetime | None = None
        self._deleted = Counter(
            "rapport_retention_deleted_rows",
            "Rows that were deleted because their time was over, by table.",
            ["table"],
            registry=registry,
        )
        self._last_run = timestamp(
            "rapport_retention_last_run_timestamp_seconds",
            "When this process last looked through all tables for rows whose time is over; NaN: not yet.",
            registry=registry,
        )
        for one in rules:
            self._deleted.labels(one.table)

    async def run_when_due(self, transact: Transact, now: datetime, is_stopping: Callable[[], bool]) -> None:
        """Delete what is over, unless this was done within the day; it goes on at the next call if stopped.

        Raises:
            Exception: what `transact` raises; what was deleted before stays deleted.
        """
        # A clock that was ahead and was set back does not put it off by more than a day.
        if self._next_at is not None and now < self._next_at <= now + EVERY:
            return
        for one in self._rules:
            while not is_stopping() and await self._delete(one, transact, now) == ROWS_AT_ONCE:
                continue
        if not is_stopping():
            self._next_at = now + EVERY
            self._last_run.set(now.timestamp())

    async def _delete(self, one: RetentionRule, transact: Transact, now: datetime) -> int:
        deleted = 0

        async def work(conn: Connection) -> None:
            nonlocal deleted
            values = {"before": now - timedelta(days=one.days), "at_most": ROWS_AT_ONCE}
            ((is_free,),) = await (await conn.execute(_LOCK, (f"{self._schema}.retention",))).fetchall()
            if is_free:
                ((deleted,),) = await (await conn.execute(one.delete.encode(), values)).fetchall()

        await transact(work)
        self._deleted.labels(one.table).inc(deleted)
        return deleted
