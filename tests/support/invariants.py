"""Checks what must hold in tables and topics after any flow, crash or replay."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.runtime.kafka.record import Outgoing, Record

Connection = AsyncConnection[TupleRow]

# Each query finds violations; its columns identify them.
DETECTOR: dict[str, str] = {
    "every current rating has an assessment that names it": """
        SELECT r.practice_id, r.rating_id FROM detector.rating r
        LEFT JOIN detector.assessment a USING (dyad_id, session_id, instrument)
        WHERE r.current AND a.rating_id IS DISTINCT FROM r.rating_id""",
    "every assessment belongs to a current rating": """
        SELECT a.dyad_id, a.session_id FROM detector.assessment a
        LEFT JOIN detector.rating r ON r.practice_id = a.practice_id AND r.rating_id = a.rating_id
        WHERE r.current IS NOT TRUE""",
    "each rating has exactly one current version": """
        SELECT dyad_id, session_id, instrument FROM detector.rating
        GROUP BY 1, 2, 3 HAVING count(*) FILTER (WHERE current) <> 1""",
    "the current version is the greatest": """
        SELECT r.practice_id, r.rating_id FROM detector.rating r JOIN detector.rating o
            ON o.dyad_id = r.dyad_id AND o.session_id = r.session_id AND o.instrument = r.instrument
        WHERE r.current AND (coalesce(o.recorded_at, o.accepted_at), o.accepted_at, o.rating_id COLLATE "C")
            > (coalesce(r.recorded_at, r.accepted_at), r.accepted_at, r.rating_id COLLATE "C")""",
    "a session counts in one dyad only": """
        SELECT practice_id, client_id, session_id, instrument FROM detector.rating
        WHERE current AND status <> 'withdrawn' GROUP BY 1, 2, 3, 4 HAVING count(*) > 1""",
    "a withdrawn or cancelled rating has no risk, nor has a measure; every other one has": """
        SELECT a.practice_id, a.rating_id FROM detector.assessment a
        JOIN detector.rating r USING (practice_id, rating_id)
        WHERE (a.risk IS NULL) <> (r.measure OR r.status IN ('withdrawn', 'cancelled'))""",
    "no delivery has two outcomes": """
        SELECT cluster_id, lane, partition, "offset" FROM (
            SELECT (SELECT c.cluster_id FROM detector.log_cluster c WHERE c.number = cluster) AS cluster_id,
        lane, partition, "offset"
    FROM detector.rating
            UNION ALL SELECT cluster_id, lane, partition, "offset" FROM detector.duplicate
            UNION ALL SELECT cluster_id, (topic LIKE '%history%')::int, partition, "offset"
                FROM detector.erased WHERE topic LIKE 'alliance.session-%'
            UNION ALL SELECT cluster_id, (topic LIKE '%history%')::int, partition, "offset"
                FROM detector.rejection WHERE topic LIKE 'alliance.session-%') AS delivered
        GROUP BY 1, 2, 3, 4 HAVING count(*) > 1""",
    "a snapshot is at most 4 kB": "SELECT dyad_id FROM detector.dyad WHERE octet_length(snapshot) > 4096",
    "an episode's revision counts its changes": """
        SELECT episode_id FROM detector.episode e JOIN detector.dyad USING (dyad_id)
        WHERE revision_floor = 0 AND revision <>
            (SELECT count(*) FROM detector.episode_change c WHERE c.episode_id = e.episode_id)""",
    "an episode's revision is that of its newest change": """
        SELECT episode_id FROM detector.episode e WHERE revision <>
            (SELECT max(revision) FROM detector.episode_change c WHERE c.episode_id = e.episode_id)""",
    # Its risk may be below the threshold: low marks from the start open an episode by their level alone.
    "a flagged session lies in an episode": """
        SELECT practice_id, rating_id FROM detector.assessment
        WHERE flagged AND episode_id IS NULL""",
    "an open episode is the only one of its dyad": """
        SELECT dyad_id FROM detector.episode WHERE state IN ('open', 'acknowledged')
        GROUP BY 1 HAVING count(*) > 1""",
}


async def broken(conn: Connection, queries: dict[str, str] | None = None) -> dict[str, list[TupleRow]]:
    """Return the invariants that do not hold, each with at most ten rows that violate it."""
    found = {}
    for name, sql in (queries or DETECTOR).items():
        rows = await (await conn.execute(f"{sql} LIMIT 10")).fetchall()
        if rows:
            found[name] = rows
    return found


async def deliveries(conn: Connection, practice: str | None = None) -> dict[str, int]:
    """Return the number of deliveries by outcome; with what is blocked they add up to all accepted ones."""
    row = await (
        await conn.execute(
            """
            SELECT (SELECT count(*) FROM detector.rating
                    WHERE current AND practice_id = coalesce(%(p)s, practice_id)),
                (SELECT count(*) FROM detector.rating
                    WHERE NOT current AND practice_id = coalesce(%(p)s, practice_id))
                + (SELECT count(*) FROM detector.duplicate
                    WHERE superseded AND practice_id = coalesce(%(p)s, practice_id)),
                (SELECT count(*) FROM detector.duplicate
                    WHERE NOT superseded AND practice_id = coalesce(%(p)s, practice_id)),
                (SELECT count(*) FROM detector.rejection
                    WHERE topic LIKE 'alliance.session-%%'
                    AND replayed_at IS NULL AND (%(p)s::text IS NULL OR tenant = %(p)s))
            """,
            {"p": practice},
        )
    ).fetchone()
    assert row is not None
    return dict(zip(("assessed", "superseded", "duplicate", "rejected"), row, strict=True))


def ids_with_two_contents(records: Iterable[Record | Outgoing]) -> list[tuple[str, str]]:
    """Return topic and id of the events that were published twice with different bytes."""
    seen: dict[tuple[str, str], bytes] = {}
    wrong = []
    for record in records:
        value = record.value or b""
        key = (record.topic, msgspec.json.decode(value)["id"])
        if seen.setdefault(key, value) != value:
            wrong.append(key)
    return wrong


def revisions_out_of_order(records: Iterable[Record | Outgoing]) -> list[tuple[object, ...]]:
    """Return each revision of an assessment or an episode that first appears after a higher one."""
    newest: dict[tuple[object, ...], int] = {}
    seen: set[tuple[object, ...]] = set()
    wrong = []
    names = ("practice_id", "therapist_id", "client_id", "case_id", "session_id", "instrument")
    for record in records:
        event = msgspec.json.decode(record.value or b"")
        data = event["data"]
        which = (record.topic, *([data["episode_id"]] if "episode_id" in data else map(data.get, names)))
        if (*which, data["revision"]) in seen:
            continue
        seen.add((*which, data["revision"]))
        if data["revision"] < newest.get(which, 0):
            wrong.append((*which, data["revision"]))
        newest[which] = max(data["revision"], newest.get(which, 0))
    return wrong


def current_assessments(records: Iterable[Record | Outgoing]) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the highest revision of each dyad, session and instrument, as a consumer would keep it."""
    held: dict[tuple[str, ...], dict[str, Any]] = {}
    names = ("practice_id", "therapist_id", "client_id", "case_id", "session_id", "instrument")
    for record in records:
        event = msgspec.json.decode(record.value or b"")
        if event["type"] != "alliance.assessed.v1":
            continue
        data = event["data"]
        key = tuple(data.get(name, "") for name in names)
        if key not in held or data["revision"] > held[key]["revision"]:
            held[key] = data
    return held


async def stored_assessments(conn: Connection) -> list[Sequence[object]]:
    """Return the stored current assessments, without what depends on the order of arrival."""
    rows = await (
        await conn.execute(
            """
            SELECT dyad_id, session_id, instrument, rating_id, risk, threshold, level, may_flag, flagged,
                step, numbers FROM detector.assessment ORDER BY 1, 2, 3
            """
        )
    ).fetchall()
    return list(rows)


async def stored_episodes(conn: Connection) -> list[Sequence[object]]:
    """Return the episodes that were not withdrawn, without ids and revisions (they depend on arrival)."""
    rows = await (
        await conn.execute(
            """
            SELECT dyad_id, opened_session, opened_at, closed_at, state FROM detector.episode
            WHERE state <> 'withdrawn' ORDER BY 1, 3, 2
            """
        )
    ).fetchall()
    return list(rows)
