"""Tells what was decided about the changes that a session caused, for `rapport why`."""

from services.runtime.process.cli_plugin import Connection, TraceLine


async def trace(conn: Connection, tenant: str, session: str) -> list[TraceLine]:
    """Return the decisions about the changes that a session caused, and the state of each message."""
    rows = await conn.execute(
        "SELECT d.decided_at, d.change, d.revision, d.channel, d.outcome, d.reason, m.state, m.reason,"
        " m.attempts, m.finished_at, m.due_at, m.due_reason FROM notifier.decision d"
        " LEFT JOIN notifier.delivery m ON m.practice_id = d.practice_id AND m.episode_id = d.episode_id"
        " AND m.revision = d.revision AND m.channel = d.channel"
        " WHERE d.practice_id = %s AND d.session_id = %s ORDER BY d.decided_at, d.revision, d.channel",
        (tenant, session),
    )
    lines = []
    for (
        at,
        change,
        revision,
        channel,
        outcome,
        reason,
        state,
        why,
        attempts,
        finished,
        due_at,
        due_reason,
    ) in await rows.fetchall():
        lines.append(TraceLine(at, f"{change} (revision {revision}), {channel}: {outcome}", reason))
        if state is not None:
            tried = f"{attempts} attempt{'' if attempts == 1 else 's'}"
            lines.append(TraceLine(due_at, f"{channel} message: due", due_reason))
            lines.append(TraceLine(finished, f"{channel} message: {state} after {tried}", why or ""))
    return lines
