"""Erases a client, a therapist or a practice from the notifier's tables, and from its queue of messages."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from schemas.envelope import AllianceAssessedEvent, EpisodeChangedEvent, MeasureStoredEvent, decode
from services.runtime.outbox.erased_records import ErasedRecords, RecordOwner
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.cli_plugin import Connection, ErasedRows, ErasureScope

_OWN = """practice_id = %(tenant)s AND client_id = ANY(%(clients)s)
    AND (%(therapist)s::text IS NULL OR therapist_id = %(therapist)s)"""
_CLIENTS = " UNION ".join(
    f"""SELECT client_id FROM notifier.{table} WHERE practice_id = %(tenant)s
    AND (%(client)s::text IS NULL OR client_id = %(client)s)
    AND (%(therapist)s::text IS NULL OR therapist_id = %(therapist)s)"""
    for table in ("change", "assessed_session", "measure", "next_session", "client_number")
)
_EPISODES = f"""
SELECT episode_id, record_key FROM notifier.change WHERE {_OWN}
UNION SELECT episode_id, record_key FROM notifier.item WHERE {_OWN}
"""
# A client may have sessions left, with other therapists.
_NAMES = """
DELETE FROM notifier.client_name n WHERE practice_id = %(tenant)s AND current_id = ANY(%(clients)s)
    AND NOT EXISTS (SELECT FROM notifier.assessed_session a
        WHERE a.practice_id = n.practice_id AND a.client_id = n.current_id)
    AND NOT EXISTS (SELECT FROM notifier.measure m
        WHERE m.practice_id = n.practice_id AND m.client_id = n.current_id)
"""
# A link that is mailed on request leads to the list instead; its therapist can still sign in by it.
_FORGET_TARGET = (
    ("sign_in_link", "practice_id = %(tenant)s AND episode_id = ANY(%(episodes)s)"),
    ("link_request", "episode_id = ANY(%(episodes)s)"),
    ("audit", "practice_id = %(tenant)s AND episode_id = ANY(%(episodes)s)"),
    ("delivery", "practice_id = %(tenant)s AND episode_id = ANY(%(episodes)s) AND purpose = 'sign-in'"),
)
_OF_EPISODES = (
    ("share", ""),
    ("decision", "decided_at"),
    ("answered_before", "answered_at"),
    ("answer", "answered_at"),
    ("item", "changed_at"),
    ("change", "accepted_at"),
    ("episode", ""),
)
_OF_CLIENTS = ("assessed_session", "measure", "next_session", "client_number")
_OF_THERAPIST = (
    "audit",
    "client_counter",
    "client_number",
    "delivery",
    "next_session",
    "own_settings",
    "session",
    "share",
    "sign_in_link",
    "therapist",
)
_OF_PRACTICE = ("therapist_name", "client_name", "feed_day", "feed_silence", "practice")
_SETTINGS = frozenset({"audit", "therapist", "therapist_name", "practice"})
"""What was set for a practice and its therapists, and who did what; not what they set on their pages."""


class NotifierEraser:
    """What erases from the schemas `notifier` and `notifier_jobs`."""

    def __init__(self, secret: bytes) -> None:
        self._records = ErasedRecords("notifier", owner_of, Erasures("notifier", secret))

    async def clients(self, conn: Connection, scope: ErasureScope) -> set[str]:
        """Return the clients whose data belongs to the scope."""
        values = {"tenant": scope.tenant, "client": scope.client, "therapist": scope.therapist}
        return {client for (client,) in await (await conn.execute(_CLIENTS, values)).fetchall()}

    async def erase_clients(
        self, conn: Connection, scope: ErasureScope, clients: Sequence[str], erased: ErasedRows
    ) -> None:
        """Erase of these clients what belongs to the scope; messages that wait are never sent."""
        values: dict[str, object] = {
            "tenant": scope.tenant,
            "therapist": scope.therapist,
            "clients": list(clients),
        }
        found = await (await conn.execute(_EPISODES, values)).fetchall()
        values["episodes"] = sorted({episode for episode, _ in found})
        for table, where in _FORGET_TARGET:
            done = await conn.execute(f"UPDATE notifier.{table} SET episode_id = NULL WHERE {where}", values)
            erased.note(f"notifier.{table}", done.rowcount)
        rows = await conn.execute(
            "DELETE FROM notifier.delivery WHERE practice_id = %(tenant)s AND episode_id = ANY(%(episodes)s)"
            " RETURNING delivery_id",
            values,
        )
        await _forget_deliveries(conn, [delivery for (delivery,) in await rows.fetchall()], erased)
        for table, at in _OF_EPISODES:
            # An answer that was found has no practice: its item may be missing.
            own = "true" if table == "answered_before" else "practice_id = %(tenant)s"
            rows = await conn.execute(
                f"DELETE FROM notifier.{table} WHERE {own} AND episode_id = ANY(%(episodes)s)"
                f" RETURNING {at or 'NULL::timestamptz'}",
                values,
            )
            erased.note(f"notifier.{table}", rows.rowcount, [at for (at,) in await rows.fetchall()])
        for table in _OF_CLIENTS:
            done = await conn.execute(f"DELETE FROM notifier.{table} WHERE {_OWN}", values)
            erased.note(f"notifier.{table}", done.rowcount)
        done = await conn.execute(_NAMES, values)
        erased.note("notifier.client_name", done.rowcount)
        keys = [bytes(key) for _, key in found]
        for one in scope.of_records(clients):
            rejected = await self._records.erase_rejections(conn, one, erased)
            await self._records.erase_outgoing(conn, one, keys + rejected, erased)

    async def erase_rest(self, conn: Connection, scope: ErasureScope, erased: ErasedRows) -> None:
        """Erase what is left of a therapist's or a practice's records, and their own rows."""
        keys = await self._records.erase_rejections(conn, scope, erased)
        await self._records.erase_outgoing(conn, scope, keys, erased)
        if scope.client is not None:
            return
        # The log of who did what keeps the names that a renamed therapist had then.
        names = "SELECT therapist_id FROM notifier.therapist_name WHERE practice_id = %s AND current_id = %s"
        rows = await conn.execute(names, (scope.tenant, scope.therapist))
        known = [scope.therapist, *(name for (name,) in await rows.fetchall())]
        values = {"tenant": scope.tenant, "therapist": scope.therapist, "names": known}
        rows = await conn.execute(
            "SELECT delivery_id FROM notifier.delivery WHERE practice_id = %(tenant)s"
            " AND (%(therapist)s::text IS NULL OR therapist_id = %(therapist)s)",
            values,
        )
        deliveries = [delivery for (delivery,) in await rows.fetchall()]
        kept = _SETTINGS if scope.keeps_settings else frozenset()
        for table in (one for one in _OF_THERAPIST if one not in kept):
            done = await conn.execute(
                f"DELETE FROM notifier.{table} WHERE practice_id = %(tenant)s"
                " AND (%(therapist)s::text IS NULL OR therapist_id = ANY(%(names)s::text[]))",
                values,
            )
            erased.note(f"notifier.{table}", done.rowcount)
        await _forget_deliveries(conn, deliveries, erased, counted=False)
        for table in (one for one in _OF_PRACTICE if scope.therapist is None and one not in kept):
            done = await conn.execute(f"DELETE FROM notifier.{table} WHERE practice_id = %(tenant)s", values)
            erased.note(f"notifier.{table}", done.rowcount)


async def _forget_deliveries(
    conn: Connection, deliveries: Sequence[UUID], erased: ErasedRows, *, counted: bool = True
) -> None:
    """Delete the jobs of deliveries; a worker that is sending one just now finishes its job by itself."""
    jobs = await conn.execute(
        "DELETE FROM notifier_jobs.procrastinate_jobs WHERE queueing_lock = ANY(%s) AND status <> 'doing'",
        ([str(delivery) for delivery in deliveries],),
    )
    erased.note("notifier_jobs.procrastinate_jobs", jobs.rowcount)
    erased.note("notifier.delivery", len(deliveries) if counted else 0)


def owner_of(value: bytes) -> RecordOwner | None:
    """Return whom an assessment, a measure or a change of an episode is about."""
    try:
        event = decode(value)
    except (ValidationError, RecursionError):
        return None
    if isinstance(event, EpisodeChangedEvent):
        at = event.data.accepted_at
    elif isinstance(event, AllianceAssessedEvent | MeasureStoredEvent):
        at = event.time
    else:
        return None
    return RecordOwner(event.data.practice_id, event.data.therapist_id, event.data.client_id, at)
