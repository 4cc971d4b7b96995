"""Erases a client, a therapist or a practice from the detector's tables.

Each function runs in a transaction that nothing else about these clients runs beside (see `close_gate`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from services.detector.domain.dyad_work import LANE_OF
from services.detector.received import Rated, RatedEvent, Responded, RespondedEvent, arriving
from services.runtime.outbox.erased_records import ErasedRecords, RecordOwner
from services.runtime.outbox.erasures import ErasedPlace, Erasures
from services.runtime.process.cli_plugin import Connection, ErasedRows, ErasureScope

_TOPIC_OF = {number: topic for topic, number in LANE_OF.items()}
_DYADS = """
SELECT dyad_id, record_key FROM detector.dyad
WHERE practice_id = %s AND client_id = ANY(%s) AND (%s::text IS NULL OR therapist_id = %s) FOR UPDATE
"""
_CLIENTS = """
SELECT client_id FROM detector.dyad
WHERE practice_id = %(tenant)s AND (%(client)s::text IS NULL OR client_id = %(client)s)
    AND (%(therapist)s::text IS NULL OR therapist_id = %(therapist)s)
"""
_BLOCKED = """
SELECT cluster_id, topic, partition, "offset", client_id, rating_id, key, value FROM detector.blocked
WHERE practice_id = %s
"""
_DELETE_BLOCKED = """
DELETE FROM detector.blocked
WHERE practice_id = %s AND cluster_id = %s AND topic = %s AND partition = %s AND "offset" = %s
"""
_RATINGS = """
DELETE FROM detector.rating WHERE practice_id = %s AND client_id = ANY(%s) AND dyad_id = ANY(%s)
RETURNING (SELECT cluster_id FROM detector.log_cluster c WHERE c.number = cluster), lane, partition, "offset",
    rating_id, accepted_at
"""
_DUPLICATES = """
DELETE FROM detector.duplicate WHERE practice_id = %s AND rating_id = ANY(%s)
RETURNING cluster_id, lane, partition, "offset", rating_id, accepted_at
"""
_OF_EPISODES = (
    (
        "episode_change",
        """
DELETE FROM detector.episode_change WHERE practice_id = %(practice)s AND episode_id = ANY(%(ids)s)
RETURNING changed_at
""",
    ),
    (
        "episode",
        "DELETE FROM detector.episode WHERE practice_id = %(practice)s AND episode_id = ANY(%(ids)s)",
    ),
)
_OF_DYADS = (
    ("response", "DELETE FROM detector.response WHERE dyad_id = ANY(%(ids)s) RETURNING responded_at"),
    (
        "assessment",
        "DELETE FROM detector.assessment WHERE practice_id = %(practice)s AND dyad_id = ANY(%(ids)s)",
    ),
    ("published_before", "DELETE FROM detector.published_before WHERE dyad_id = ANY(%(ids)s)"),
    ("dyad", "DELETE FROM detector.dyad WHERE practice_id = %(practice)s AND dyad_id = ANY(%(ids)s)"),
)
# A client may have dyads left, with other therapists.
_NAMES = """
DELETE FROM detector.client_name n WHERE practice_id = %s AND current_id = ANY(%s)
    AND NOT EXISTS (SELECT FROM detector.dyad d
        WHERE d.practice_id = n.practice_id AND d.client_id = n.current_id)
"""
# The log still says that somebody was read about; an episode in `detail` is one of the dyad.
_FORGET_IN_AUDIT = """
UPDATE detector.audit SET dyad_id = NULL, detail = '' WHERE dyad_id = ANY(%s)
"""
_OF_CLIENTS_OF_PRACTICE = ("client_name", "renewal")
_SETTINGS = (
    "audit",
    "therapist_name",
    "model_activation",
    "threshold",
    "practice_statistics",
    "practice",
)
"""What was set for a practice, and who did what. Nothing in it was computed of a sandbox's clients."""
_ONLY_ADDED = ("threshold", "practice_statistics")


class DetectorEraser:
    """What erases from the schema `detector`."""

    def __init__(self, secret: bytes) -> None:
        self._erasures = Erasures("detector", secret)
        self._records = ErasedRecords("detector", owner_of, self._erasures)

    async def clients(self, conn: Connection, scope: ErasureScope) -> set[str]:
        """Return the clients whose data belongs to the scope."""
        rows = await conn.execute(
            _CLIENTS, {"tenant": scope.tenant, "client": scope.client, "therapist": scope.therapist}
        )
        found = {client for (client,) in await rows.fetchall()}
        return found | {row[4] for row, _ in await _blocked(conn, scope)}

    async def erase_clients(
        self, conn: Connection, scope: ErasureScope, clients: Sequence[str], erased: ErasedRows
    ) -> None:
        """Erase of these clients what belongs to the scope, and the events about them that wait."""
        practice, wanted = scope.tenant, list(clients)
        rows = await conn.execute(_DYADS, (practice, wanted, scope.therapist, scope.therapist))
        keys_of = {dyad: bytes(key) for dyad, key in await rows.fetchall()}
        dyads = list(keys_of)
        ratings = await (await conn.execute(_RATINGS, (practice, wanted, dyads))).fetchall()
        ids = [row[4] for row in ratings]
        duplicates = await (await conn.execute(_DUPLICATES, (practice, ids))).fetchall()
        for table, found in (("rating", ratings), ("duplicate", duplicates)):
            erased.note(f"detector.{table}", len(found), [row[5] for row in found])
            await self._erasures.add_places(conn, [self._place(practice, row) for row in found])
        keys = list(keys_of.values()) + await self._erase_blocked(conn, scope, set(clients), erased)
        rows = await conn.execute("SELECT episode_id FROM detector.episode WHERE dyad_id = ANY(%s)", (dyads,))
        episodes = [episode for (episode,) in await rows.fetchall()]
        done = await conn.execute(_FORGET_IN_AUDIT, (dyads,))
        erased.note("detector.audit", done.rowcount)
        for statements, of in ((_OF_EPISODES, episodes), (_OF_DYADS, dyads)):
            for table, statement in statements:
                await _delete(conn, table, statement, {"practice": practice, "ids": of}, erased)
        await _delete(conn, "client_name", _NAMES, (practice, wanted), erased)
        for one in scope.of_records(clients):
            rejected = await self._records.erase_rejections(conn, one, erased)
            await self._records.erase_outgoing(conn, one, keys + rejected, erased)

    async def erase_rest(self, conn: Connection, scope: ErasureScope, erased: ErasedRows) -> None:
        """Erase what is left of a therapist's or a practice's records, and a practice's own rows."""
        keys = await self._records.erase_rejections(conn, scope, erased)
        await self._records.erase_outgoing(conn, scope, keys, erased)
        if scope.client is not None or scope.therapist is not None:
            return
        await _delete_rows(conn, _OF_CLIENTS_OF_PRACTICE, scope.tenant, erased)
        if scope.keeps_settings:
            return
        # Only the owner of the tables may do this: nothing else changes rows of dates that have passed.
        for table in _ONLY_ADDED:
            await conn.execute(f"ALTER TABLE detector.{table} DISABLE TRIGGER only_added")
        await _delete_rows(conn, _SETTINGS, scope.tenant, erased)
        for table in _ONLY_ADDED:
            await conn.execute(f"ALTER TABLE detector.{table} ENABLE TRIGGER only_added")

    async def _erase_blocked(
        self, conn: Connection, scope: ErasureScope, clients: set[str], erased: ErasedRows
    ) -> list[bytes]:
        found = [(row, at) for row, at in await _blocked(conn, scope) if row[4] in clients]
        erased.note("detector.blocked", len(found), [at for _, at in found])
        async with conn.cursor() as cursor:
            await cursor.executemany(_DELETE_BLOCKED, [(scope.tenant, *row[:4]) for row, _ in found])
        places: list[ErasedPlace] = [
            (*row[:4], scope.tenant, self._erasures.hashed(("rating", scope.tenant, row[5])))
            for row, _ in found
            if row[5] is not None
        ]
        await self._erasures.add_places(conn, places)
        return [bytes(row[6]) for row, _ in found]

    def _place(self, practice: str, row: Sequence[Any]) -> ErasedPlace:
        cluster, lane, partition, offset, rating, _ = row
        hashed = self._erasures.hashed(("rating", practice, rating))
        return cluster, _TOPIC_OF[lane], partition, offset, practice, hashed


def owner_of(value: bytes) -> RecordOwner | None:
    """Return whom a rating or an answer is about."""
    try:
        event = arriving.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(event, RatedEvent | RespondedEvent):
        return None
    data = event.data
    return RecordOwner(data.practice_id, data.therapist_id, data.client_id, _accepted(data))


def _accepted(data: Rated | Responded) -> datetime:
    return data.accepted_at if isinstance(data, Rated) else data.responded_at


async def _blocked(conn: Connection, scope: ErasureScope) -> list[tuple[tuple[Any, ...], datetime]]:
    """Return the waiting records of a scope, each with the time of its acceptance; the table is small."""
    rows = await (await conn.execute(_BLOCKED, (scope.tenant,))).fetchall()
    owners = [(row, owner_of(bytes(row[7]))) for row in rows]
    return [(row, owner.at) for row, owner in owners if owner is not None and owner.is_in(scope)]


async def _delete_rows(conn: Connection, tables: Sequence[str], practice: str, erased: ErasedRows) -> None:
    for table in tables:
        statement = f"DELETE FROM detector.{table} WHERE practice_id = %s"
        await _delete(conn, table, statement, (practice,), erased)


async def _delete(
    conn: Connection,
    table: str,
    statement: str,
    parameters: Sequence[object] | Mapping[str, object],
    erased: ErasedRows,
) -> None:
    rows = await conn.execute(statement.encode(), parameters)
    times = [] if rows.description is None else [at for (at,) in await rows.fetchall()]
    erased.note(f"detector.{table}", rows.rowcount, times)
