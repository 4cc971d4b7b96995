"""Tells what happened to a session's ratings, for `rapport why`."""

import msgspec

from services.detector.received import RatedEvent, arriving
from services.runtime.process.cli_plugin import Connection, TraceLine

_RATINGS = """
SELECT r.accepted_at, r.rating_id, r.status, r.current, r.measure, r.partition, r."offset", a.revision,
    a.risk, a.threshold, a.flagged, a.step, a.episode_id
FROM detector.rating r LEFT JOIN detector.assessment a ON r.current
    AND a.practice_id = r.practice_id AND a.dyad_id = r.dyad_id
    AND a.session_id = r.session_id AND a.instrument = r.instrument
WHERE r.practice_id = %s AND r.session_id = %s ORDER BY r.accepted_at
"""
_DUPLICATES = """
SELECT d.accepted_at, d.rating_id, d.superseded
FROM detector.duplicate d JOIN detector.rating r USING (practice_id, rating_id)
WHERE d.practice_id = %s AND r.session_id = %s ORDER BY d.accepted_at
"""
_CHANGES = """
SELECT changed_at, change, revision, kept_back FROM detector.episode_change
WHERE practice_id = %s AND session_id = %s ORDER BY changed_at, revision
"""
_BLOCKED = """
SELECT recorded_at, rating_id, reason FROM detector.blocked WHERE practice_id = %s AND session_id = %s
ORDER BY recorded_at
"""
# A rejected record has no column of its session: its bytes are looked through, then read.
_REJECTED = """
SELECT recorded_at, subject_id, reason, detail, topic, partition, "offset", value, replayed_at
FROM detector.rejection
WHERE tenant = %s AND position(convert_to(%s, 'UTF8') in value) > 0 ORDER BY recorded_at
"""
BLOCKED_TEXTS = {
    "session-in-other-dyad": "until the client's session is withdrawn under the other therapist or case",
    "model-not-loaded": "until a detector has loaded the practice's model",
    "many-sessions": "for its turn: many sessions of this client are being assessed",
}
_KEPT_BACK_TEXTS = {
    None: "the therapist gets a message",
    "historic": "kept back: the session is not after the practice's tell_from",
    "too-old": "kept back: the session is older than the practice's max_age_days",
    "not-newest": "kept back: it no longer holds at the newest session",
    "observing": "kept back: the practice observes, or the episode opened before it went live",
}


async def trace(conn: Connection, tenant: str, session: str) -> list[TraceLine]:
    """Return what happened to a session's ratings, and which changes of episodes followed."""
    lines = []
    for row in await (await conn.execute(_RATINGS, (tenant, session))).fetchall():
        at, rating, status, current, is_measure, partition, offset, *found = row
        revision, risk, threshold, flagged, step, episode = found
        lines.append(
            TraceLine(at, f"rating {rating} accepted ({status})", f"partition {partition}, offset {offset}")
        )
        if not current:
            lines.append(TraceLine(None, f"rating {rating} superseded", "a newer version is current"))
        elif is_measure:
            lines.append(
                TraceLine(None, f"rating {rating} stored", "it is drawn beside the alliance, not scored")
            )
        elif risk is None:
            lines.append(
                TraceLine(None, f"rating {rating} {status}", "it does not count in the client's history")
            )
        else:
            flag = "flagged" if flagged else "not flagged"
            where = f"; episode {episode}: {step}" if episode else ""
            lines.append(
                TraceLine(
                    None,
                    f"rating {rating} assessed (revision {revision}), {flag}",
                    f"risk {risk:.3f}, threshold {threshold:.3f}{where}",
                )
            )
    for at, rating, is_old in await (await conn.execute(_DUPLICATES, (tenant, session))).fetchall():
        why = "superseded by a later recorded_at" if is_old else "a duplicate changes nothing"
        lines.append(TraceLine(at, f"rating {rating} delivered{'' if is_old else ' again'}", why))
    for at, rating, reason in await (await conn.execute(_BLOCKED, (tenant, session))).fetchall():
        lines.append(TraceLine(at, f"rating {rating} waits", BLOCKED_TEXTS[reason]))
    lines += await _rejected(conn, tenant, session)
    for at, change, revision, kept in await (await conn.execute(_CHANGES, (tenant, session))).fetchall():
        lines.append(TraceLine(at, f"episode {change} (revision {revision})", _KEPT_BACK_TEXTS[kept]))
    return lines


async def _rejected(conn: Connection, tenant: str, session: str) -> list[TraceLine]:
    """Return the session's ratings that were accepted by ingest and rejected by the detector."""
    lines = []
    rows = await (await conn.execute(_REJECTED, (tenant, session))).fetchall()
    for at, rating, reason, detail, topic, partition, offset, value, replayed in rows:
        if not _is_of(bytes(value), session):
            continue
        again = f"; published again {replayed:%Y-%m-%d %H:%M} UTC" if replayed else ""
        where = f"{topic}, partition {partition}, offset {offset}"
        lines.append(TraceLine(at, f"rating {rating} rejected ({reason})", f"{detail}; {where}{again}"))
    return lines


def _is_of(value: bytes, session: str) -> bool:
    try:
        event = arriving.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(event, RatedEvent) and event.data.session_id == session
