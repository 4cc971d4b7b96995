"""Logs who read what about which client, and what operators did, as rows that are only added.

A client is named by the ids of their dyads, which an erasure takes out.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from uuid import UUID

from services.runtime.outbox.erasures import pass_gate
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.tenant_guard import act_for
from services.runtime.process.cli_plugin import AuditEntry, OperatorAct, operator


class ReadAction(StrEnum):
    """What was read with a practice's key."""

    RATING_READ = "rating-read"
    EPISODE_READ = "episode-read"
    EPISODES_READ = "episodes-read"
    ASSESSMENTS_READ = "assessments-read"


# One that was erased at this moment is not named.
_READ = """
INSERT INTO detector.audit (practice_id, actor, action, dyad_id, detail)
SELECT practice_id, %(actor)s, %(action)s, dyad_id, %(detail)s FROM detector.dyad
WHERE practice_id = %(practice)s AND dyad_id = ANY(%(dyads)s::uuid[])
"""
_ACT = """
INSERT INTO detector.audit (practice_id, actor, action, dyad_id, detail)
SELECT %(practice)s, %(actor)s, %(action)s, dyad_id, %(detail)s FROM (SELECT) AS act
LEFT JOIN detector.dyad ON practice_id = %(practice)s AND client_id = %(client)s
"""
_ENTRIES = """
SELECT at, actor, action, coalesce(dyad_id::text, ''), detail, database_role FROM detector.audit
WHERE practice_id = %(practice)s AND (%(client)s::text IS NULL OR dyad_id IN (
    SELECT dyad_id FROM detector.dyad WHERE practice_id = %(practice)s AND client_id = %(client)s))
ORDER BY audit_id
"""


async def log_read(
    conn: Connection,
    practice: str,
    key_id: str,
    action: ReadAction,
    dyads: Collection[UUID],
    *,
    detail: str = "",
) -> None:
    """Log, in a transaction of its own, that something about these dyads was read; about none, nothing.

    The transaction that read may be one that cannot write. What cannot be logged is not answered.
    """
    if not dyads:
        return
    await conn.commit()
    await conn.execute("SET TRANSACTION READ WRITE")
    await act_for(conn, practice)
    await pass_gate(conn)
    await conn.execute(
        _READ,
        {
            "practice": practice,
            "actor": f"key {key_id}",
            "action": action.value,
            "dyads": list(dyads),
            "detail": detail,
        },
    )
    await conn.commit()


async def record_acts(conn: Connection, acts: Sequence[OperatorAct]) -> None:
    """Log what operators did, in the open transaction; one on a client as a row for each dyad."""
    for act in acts:
        await log_act(conn, act, operator())


async def log_act(conn: Connection, act: OperatorAct, actor: str) -> None:
    """Log what somebody did, in the open transaction."""
    await pass_gate(conn)
    values = {"practice": act.tenant, "action": act.action, "detail": act.detail, "client": act.client}
    await conn.execute(_ACT, {**values, "actor": actor})


async def entries(conn: Connection, practice: str, client: str | None) -> list[AuditEntry]:
    """Return what was logged of a practice, or only what concerns one client; in order."""
    rows = await conn.execute(_ENTRIES, {"practice": practice, "client": client})
    return [AuditEntry(*row) for row in await rows.fetchall()]
