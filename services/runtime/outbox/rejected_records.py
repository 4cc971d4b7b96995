"""Counts, shows and publishes again the rejected records of one service."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from services.runtime.kafka.record import Outgoing
from services.runtime.postgres.connect import Connection

REPLAYED_AT_ONCE = 500
"""Records in one transaction: they are published while it is open, within the limit for an idle one."""

_COUNTS: LiteralString = """
SELECT reason, count(*) FILTER (WHERE replayed_at IS NULL), count(*) FILTER (WHERE replayed_at IS NOT NULL),
    min(recorded_at) FILTER (WHERE replayed_at IS NULL), max(recorded_at) FILTER (WHERE replayed_at IS NULL)
FROM {table} WHERE {filter} GROUP BY reason ORDER BY reason
"""
_SHOWN: LiteralString = """
SELECT cluster_id, topic, partition, "offset", reason, detail, tenant, subject_id, recorded_at, replayed_at,
    key, value
FROM {table} WHERE {where} ORDER BY xid DESC, seq DESC LIMIT %(limit)s
"""
_POSITION: LiteralString = 'topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s'
_SUBJECT: LiteralString = "subject_id = %(subject)s AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)"
_FILTER: LiteralString = """(%(tenant)s::text IS NULL OR tenant = %(tenant)s)
    AND (%(reason)s::text IS NULL OR reason = %(reason)s)"""
_REPLAYABLE: LiteralString = """
    replayed_at IS NULL AND key IS NOT NULL AND value IS NOT NULL AND reason <> ALL(%(but)s) AND {filter}"""
_LOCK: LiteralString = """
SELECT cluster_id, topic, partition, "offset", key, value, reason FROM {table}
WHERE {replayable} AND seq <= %(last)s ORDER BY xid, seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
_MARK: LiteralString = """
UPDATE {table} AS stored SET replayed_at = now()
FROM unnest(%s::text[], %s::text[], %s::int4[], %s::int8[]) AS done (cluster_id, topic, partition, place)
WHERE (stored.cluster_id, stored.topic, stored.partition, stored."offset")
    = (done.cluster_id, done.topic, done.partition, done.place)
"""


@dataclass(frozen=True, slots=True)
class RejectionFilter:
    """Which rejected records are meant; None means all."""

    tenant: str | None = None
    reason: str | None = None
    except_reasons: Sequence[str] = ()
    """Reasons whose records are not published again, unless `reason` names one."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the queries."""
        but = [] if self.reason else list(self.except_reasons)
        return {"tenant": self.tenant, "reason": self.reason, "but": but}


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many records a service rejected for one reason: still waiting, and published again."""

    reason: str
    waiting: int
    replayed: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class StoredRejection:
    """One rejected record as it is stored."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    tenant: str | None
    subject_id: str | None
    rejected_at: datetime
    replayed_at: datetime | None
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)


class RejectedRecords:
    """One service's table `rejection`."""

    def __init__(self, schema: str) -> None:
        self._names = {
            "table": sql.Identifier(schema, "rejection"),
            "filter": sql.SQL(_FILTER),
            "replayable": sql.SQL(_REPLAYABLE).format(filter=sql.SQL(_FILTER)),
        }

    async def count(self, connection: Connection, which: RejectionFilter) -> list[ReasonCount]:
        """Count the records by reason."""
        rows = await connection.execute(self._query(_COUNTS), which.parameters)
        return [ReasonCount(*row) for row in await rows.fetchall()]

    async def at(
        self, connection: Connection, topic: str, partition: int, offset: int
    ) -> list[StoredRejection]:
        """Return the records with this position, newest first: one for each Kafka cluster that had one."""
        place = {"topic": topic, "partition": partition, "offset": offset, "limit": 100}
        return await self._show(connection, _POSITION, place)

    async def of_subject(
        self, connection: Connection, tenant: str | None, subject: str, limit: int = 100
    ) -> list[StoredRejection]:
        """Return the newest rejected records of a subject (a rating's or an episode's id), newest first."""
        return await self._show(connection, _SUBJECT, {"tenant": tenant, "subject": subject, "limit": limit})

    async def count_replayable(self, connection: Connection, which: RejectionFilter) -> dict[str, int]:
        """Count by reason what `replay` would publish."""
        query = self._query("SELECT reason, count(*) FROM {table} WHERE {replayable} GROUP BY 1 ORDER BY 1")
        rows = await connection.execute(query, which.parameters)
        return dict(await rows.fetchall())

    async def replay(
        self,
        connection: Connection,
        which: RejectionFilter,
        publish: Callable[[Sequence[Outgoing]], Awaitable[object]],
        *,
        limit: int,
    ) -> dict[str, int]:
        """Publish up to `limit` waiting records again, oldest first; return how many, by reason.

        Each record has its first bytes, key and partition, and is marked once `publish` has returned. If the
        process ends in between, at most `REPLAYED_AT_ONCE` records are published once more by the next run. A
        record that is rejected again is stored under its new position; the marked one is never published
        again, so repeating this multiplies nothing.

        Raises:
            Exception: one that `publish` raised; the records of this call that are marked stay so.
        """
        done: dict[str, int] = {}
        async with connection.transaction():
            # A record that is rejected again while this runs waits for the next run.
            newest = await connection.execute(self._query("SELECT coalesce(max(seq), 0) FROM {table}"))
            (last,) = await newest.fetchone() or (0,)
        while (left := limit - sum(done.values())) > 0:
            async with connection.transaction():
                values = which.parameters | {"limit": min(left, REPLAYED_AT_ONCE), "last": last}
                rows = await (await connection.execute(self._query(_LOCK), values)).fetchall()
                if not rows:
                    break
                await publish([Outgoing(row[1], bytes(row[4]), bytes(row[5]), row[2]) for row in rows])
                places = [list(column) for column in zip(*(row[:4] for row in rows), strict=True)]
                await connection.execute(self._query(_MARK), places)
            for row in rows:
                done[row[6]] = done.get(row[6], 0) + 1
        return done

    async def _show(
        self, connection: Connection, where: LiteralString, values: dict[str, Any]
    ) -> list[StoredRejection]:
        query = sql.SQL(_SHOWN).format(table=self._names["table"], where=sql.SQL(where))
        rows = await connection.execute(query, values)
        return [StoredRejection(*row) for row in await rows.fetchall()]

    def _query(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(**self._names)
