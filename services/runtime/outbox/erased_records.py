"""Finds and deletes rejected records, and events to publish, of one client, one therapist or one tenant.

Their tables know no client. What cannot be decoded is found by the ids that stand in its bytes as JSON texts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from msgspec import json
from psycopg import sql

from services.runtime.outbox.erasures import ErasedPlace, Erasures
from services.runtime.postgres.connect import Connection
from services.runtime.process.cli_plugin import ErasedRows, ErasureScope

_REJECTIONS: LiteralString = """
SELECT cluster_id, topic, partition, "offset", tenant, subject_id, key, value, replayed_at IS NULL
FROM {schema}.rejection
WHERE (tenant = %(tenant)s OR tenant IS NULL) AND position(%(tenant_text)s IN value) > 0
    AND position(%(narrow_text)s IN value) > 0
"""
_DELETE_REJECTION: LiteralString = """
DELETE FROM {schema}.rejection WHERE cluster_id = %s AND topic = %s AND partition = %s AND "offset" = %s
"""
_DELETE_OUTGOING: LiteralString = """
DELETE FROM {schema}.outbox WHERE key = ANY(%(keys)s::bytea[])
    OR (position(%(tenant_field)s IN value) > 0 AND position(%(client_field)s IN value) > 0
        AND position(%(therapist_field)s IN value) > 0)
"""


@dataclass(frozen=True, slots=True)
class RecordOwner:
    """Whom an event is about, and when it was accepted."""

    tenant: str
    therapist: str
    client: str
    at: datetime

    def is_in(self, scope: ErasureScope) -> bool:
        """Return whether the event belongs to the scope."""
        return (
            scope.tenant == self.tenant
            and scope.client in {None, self.client}
            and scope.therapist in {None, self.therapist}
        )


OwnerOf = Callable[[bytes], RecordOwner | None]
"""Decodes an event; None where it cannot be decoded, or is about nobody."""


class ErasedRecords:
    """One service's tables `rejection` and `outbox`."""

    def __init__(self, schema: str, owner_of: OwnerOf, erasures: Erasures) -> None:
        self._schema = schema
        self._owner_of = owner_of
        self._erasures = erasures

    async def erase_rejections(
        self, conn: Connection, scope: ErasureScope, erased: ErasedRows
    ) -> list[bytes]:
        """Delete the scope's rejected records, and return their keys; their places stay in the balance."""
        erased.note(f"{self._schema}.rejection", 0)
        rows = await conn.execute(self._query(_REJECTIONS), _parameters(scope))
        places: list[ErasedPlace] = []
        keys = []
        for cluster, topic, partition, offset, tenant, subject, key, value, waits in await rows.fetchall():
            owner = self._owner_of(bytes(value))
            if owner is not None and not owner.is_in(scope):
                continue
            erased.note(f"{self._schema}.rejection", 1, [] if owner is None else [owner.at])
            hashed = None if subject is None else self._erasures.hashed(("rating", tenant or "", subject))
            # What was published again counts by what came of that.
            places.append((cluster, topic, partition, offset, tenant if waits else None, hashed))
            keys += [] if key is None else [bytes(key)]
        await self._erasures.add_places(conn, places)
        await self._delete_rejections(conn, places)
        return keys

    async def erase_outgoing(
        self, conn: Connection, scope: ErasureScope, keys: Collection[bytes], erased: ErasedRows
    ) -> None:
        """Delete events that wait to be published: those with these keys, and those about the scope."""
        parameters = {"keys": list(keys), **_parameters(scope)}
        done = await conn.execute(self._query(_DELETE_OUTGOING), parameters)
        erased.note(f"{self._schema}.outbox", done.rowcount)

    async def _delete_rejections(self, conn: Connection, places: Sequence[ErasedPlace]) -> None:
        async with conn.cursor() as cursor:
            await cursor.executemany(self._query(_DELETE_REJECTION), [place[:4] for place in places])

    def _query(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(schema=sql.Identifier(self._schema))


def _parameters(scope: ErasureScope) -> dict[str, object]:
    tenant, client, therapist = (
        b'"%s_id":%s' % (name, json.encode(id_)) if id_ is not None else b""
        for name, id_ in (
            (b"practice", scope.tenant),
            (b"client", scope.client),
            (b"therapist", scope.therapist),
        )
    )
    return {
        "tenant": scope.tenant,
        "tenant_text": json.encode(scope.tenant),
        "narrow_text": json.encode(scope.client or scope.therapist or scope.tenant),
        # What is not asked for is in every value.
        "tenant_field": tenant,
        "client_field": client or tenant,
        "therapist_field": therapist or tenant,
    }
