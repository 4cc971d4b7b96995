"""Keeps who was erased and when: what had been accepted of them until then takes no effect any more.

Nobody is named: a row holds a keyed hash. Its secret is in no table, so a copy of the database does not tell
whom a hash belongs to.
"""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from services.runtime.outbox.transaction import Rejection, Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Halt
from services.runtime.process.sandbox import is_sandbox

Subject = tuple[str, ...]
"""Whose data it is: a kind, and the ids of that kind, such as `("client", tenant, client)`."""
ErasedPlace = tuple[str, str, int, int, str | None, bytes | None]
"""Cluster, topic, partition and offset of an erased record, its tenant, and the hash of its own id."""
PLACES_KEPT = timedelta(days=45)
"""How long the places of what was erased of a sandbox are kept: longer than a topic keeps the records."""

_GATE = "hashtextextended('rapport erasure', 0)"
HOLDS_GATE = f"""
(locktype = 'advisory' AND objsubid = 1 AND classid = (({_GATE} >> 32) & 4294967295)::oid
    AND objid = ({_GATE} & 4294967295)::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
"""Whether a row of `pg_locks` says that a transaction of this database has passed or closed the gate."""
_SECRET_CHECK = b"the secret of erasures"
_UNTOLD = (
    "somebody was erased, and this process cannot tell who: set RAPPORT_ERASURE_SECRET_FILE to the file "
    "that `rapport erase` used"
)


async def pass_gate(conn: Connection) -> None:
    """Let no erasure begin before the open transaction ends, and wait for one that has begun.

    Whatever is read after this holds until the end: nothing is written about somebody who was just erased.
    A transaction that writes rows of pages passes it before anything else, so that pages wait for its end.
    """
    await conn.execute(f"SELECT pg_advisory_xact_lock_shared({_GATE})")


async def close_gate(conn: Connection) -> None:
    """Wait for all transactions that have passed the gate, and let none pass before the open one ends."""
    await conn.execute(f"SELECT pg_advisory_xact_lock({_GATE})")


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure: whose data, until when, at whose request, and how many rows of which table."""

    subject: Subject
    tenant: str
    erased_at: datetime
    requested_by: str
    erased_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredErasure:
    """An erasure as it is listed: whom it was about is not known any more."""

    kind: str
    tenant: str
    erased_at: datetime
    recorded_at: datetime
    requested_by: str
    database_role: str
    erased_rows: Mapping[str, int]


class Erasures:
    """One service's tables `erasure` and `erased`; without a secret it only knows whether they are empty."""

    def __init__(self, schema: str, secret: bytes | None = None) -> None:
        self._schema = schema
        self._secret = secret

    def hashed(self, subject: Subject) -> bytes:
        """Return the keyed hash of a subject.

        Raises:
            Halt: there is no secret.
        """
        if self._secret is None:
            raise Halt(_UNTOLD)
        # Ids contain no unit separator, so two subjects never give the same text.
        return hmac.digest(self._secret, "\x1f".join(subject).encode(), "sha256")

    async def newest(self, conn: Connection) -> datetime | None:
        """Return until when anybody was erased at the latest; None when nobody ever was.

        Raises:
            Halt: somebody was erased, and the secret is missing or another one than then.
        """
        rows = await conn.execute(
            f"SELECT erased_at, secret_check FROM {self._schema}.erasure ORDER BY erased_at DESC LIMIT 1"
        )
        row = await rows.fetchone()
        if row is None:
            return None
        newest: datetime = row[0]
        self._check(row[1])
        return newest

    async def until(self, conn: Connection, subjects: Collection[Subject]) -> dict[Subject, datetime]:
        """Return until when each of these was erased, for those that were."""
        hashed = {self.hashed(subject): subject for subject in subjects}
        rows = await conn.execute(
            f"SELECT subject, max(erased_at) FROM {self._schema}.erasure WHERE subject = ANY(%s::bytea[])"
            " GROUP BY subject",
            (list(hashed),),
        )
        return {hashed[bytes(found)]: at for found, at in await rows.fetchall()}

    async def record(self, conn: Connection, erasure: Erasure) -> None:
        """Store an erasure, in the transaction in which it is done.

        Raises:
            Halt: the secret is missing, or another one than that of earlier erasures.
        """
        await self.newest(conn)
        if erasure.subject[0] == "tenant" and is_sandbox(erasure.tenant):
            await self._forget_nights_before(conn, erasure)
        await conn.execute(
            f"INSERT INTO {self._schema}.erasure (subject, secret_check, kind, tenant, erased_at,"
            " requested_by, erased_rows) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                self.hashed(erasure.subject),
                self.hashed((_SECRET_CHECK.decode(),)),
                erasure.subject[0],
                erasure.tenant,
                erasure.erased_at,
                erasure.requested_by,
                Jsonb(dict(erasure.erased_rows)),
            ),
        )

    async def _forget_nights_before(self, conn: Connection, erasure: Erasure) -> None:
        """Delete the earlier erasures that this one of a whole sandbox covers, and places no log reaches.

        An erasure that a clock dated ahead goes, too: what is sent until then would take no effect.
        PostgreSQL refuses to delete the erasures of any other tenant.
        """
        await conn.execute(
            f"DELETE FROM {self._schema}.erasure WHERE tenant = %s"
            " AND (erased_at <= %s OR recorded_at > clock_timestamp())",
            (erasure.tenant, erasure.erased_at),
        )
        await conn.execute(
            f"DELETE FROM {self._schema}.erased WHERE tenant = %s AND erased_at < now() - %s",
            (erasure.tenant, PLACES_KEPT),
        )

    async def stored(self, conn: Connection, tenant: str | None) -> list[StoredErasure]:
        """Return the erasures of a tenant, or of all, oldest first."""
        rows = await conn.execute(
            "SELECT kind, tenant, erased_at, recorded_at, requested_by, database_role, erased_rows"
            f" FROM {self._schema}.erasure WHERE tenant = coalesce(%s, tenant) ORDER BY erasure_id",
            (tenant,),
        )
        return [StoredErasure(*row) for row in await rows.fetchall()]

    async def add_places(self, conn: Connection, places: Sequence[ErasedPlace]) -> None:
        """Store where erased records stand in the log; one that is read again is stored once."""
        if not places:
            return
        async with conn.cursor() as cursor:
            await cursor.executemany(
                f'INSERT INTO {self._schema}.erased (cluster_id, topic, partition, "offset", tenant, subject)'
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                places,
            )

    async def take_back_rejections(self, tx: Transaction) -> None:
        """Do not reject once more, at a replay, what was erased after it had been rejected."""
        if not tx.rejections:
            return
        places = [(one.cluster_id, one.topic, one.partition, one.offset) for one in tx.rejections]
        rows = await tx.conn.execute(
            f'SELECT cluster_id, topic, partition, "offset" FROM {self._schema}.erased'
            ' WHERE (cluster_id, topic, partition, "offset") IN'
            " (SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::bigint[]))",
            [list(column) for column in zip(*places, strict=True)],
        )
        erased = set(await rows.fetchall())
        taken_back: list[Rejection] = [
            one for one, place in zip(tx.rejections, places, strict=True) if place in erased
        ]
        for one in taken_back:
            tx.take_back(one)

    def _check(self, secret_check: bytes) -> None:
        if not hmac.compare_digest(bytes(secret_check), self.hashed((_SECRET_CHECK.decode(),))):
            raise Halt(
                "RAPPORT_ERASURE_SECRET_FILE holds another secret than the one that earlier erasures were "
                "made with: whom they were about cannot be told; give every service and `rapport` that one"
            )
