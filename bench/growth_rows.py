"""Fills the tables of both services with many dyads, by multiplying the rows of a small real run.

The detector's own stages write the rows of some dyads; PostgreSQL copies them under other ids, so that rows
have the form and the length of real ones. Indexes are created afterwards, so they are denser than those of a
database that grew.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg

from bench.fill_topic import PRACTICES, ratings_of
from schemas.ids import CaseId, ClientId, Dyad, PracticeId, TherapistId, dyad_id
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import load_tools
from services.detector.settings import DetectorSettings
from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import detector_driver
from tests.support.detector.episodes import changed, facts_of_a_step

TEMPLATE_DYADS, SESSIONS_BEFORE = 400, 20
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
"""A cluster id as Kafka makes them."""
Conn = psycopg.Connection[tuple[Any, ...]]

# What a copy of a row has, by table, instead of the value that the name of the column stands for.
_RATING_ID = "md5(t.rating_id || m.copy)::uuid::text"
_EPISODE_ID = "md5(t.episode_id::text || m.copy)::uuid"
_WHO = {"dyad_id": "m.dyad_id", "client_id": "m.client_id", "therapist_id": "m.therapist_id"}
_SESSION = "m.client_id || substr(t.session_id, strpos(t.session_id, '-'))"
COPIED: dict[str, tuple[str, dict[str, str]]] = {
    "dyad": ("t.dyad_id = m.template", _WHO),
    "rating": (
        "t.dyad_id = m.template",
        {
            "rating_id": _RATING_ID,
            "dyad_id": "m.dyad_id",
            "client_id": "m.client_id",
            "session_id": _SESSION,
            '"offset"': 't."offset" + m.copy * 100000',
        },
    ),
    "assessment": (
        "t.dyad_id = m.template",
        {
            "dyad_id": "m.dyad_id",
            "session_id": _SESSION,
            "rating_id": _RATING_ID,
            "episode_id": _EPISODE_ID,
        },
    ),
    "episode": (
        "t.dyad_id = m.template",
        {
            **_WHO,
            "episode_id": _EPISODE_ID,
            "opened_session": _SESSION.replace("t.session_id", "t.opened_session"),
        },
    ),
    "episode_change": (
        "t.episode_id IN (SELECT episode_id FROM detector.episode WHERE dyad_id = m.template)",
        {"episode_id": _EPISODE_ID, "session_id": _SESSION},
    ),
}
_COPIES_AT_ONCE = 100
_INBOX = """
INSERT INTO notifier.episode (practice_id, episode_id) SELECT practice_id, episode_id FROM detector.episode;
INSERT INTO notifier.change (episode_id, revision, change, shown, practice_id, therapist_id, client_id,
    case_id, partition, record_key, session_id, session_at, accepted_at, arrived_at, content)
SELECT episode_id, 1, 'opened', true, practice_id, therapist_id, client_id, '', 0, repeat('k', 32)::bytea,
    opened_session, opened_at, now(), now(), %s FROM detector.episode;
INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition, record_key,
    state, revision, first_revision, told_revision, session_at, told_at, changed_at)
SELECT episode_id, practice_id, therapist_id, client_id, '', 0, repeat('k', 32)::bytea, 'opened', 1, 1, 1,
    opened_at, now(), now() FROM detector.episode;
INSERT INTO notifier.decision (practice_id, therapist_id, session_id, episode_id, revision, change, channel,
    outcome, reason, accepted_at, decided_at)
SELECT practice_id, therapist_id, opened_session, episode_id, 1, 'opened', channel, 'sent', 'told', now(),
    now() FROM detector.episode CROSS JOIN unnest('{inbox,email}'::text[]) AS channel;
INSERT INTO notifier.assessed_session (practice_id, rating_id, revision, therapist_id, client_id, session_at,
    instrument, status, bond, goal, task)
SELECT r.practice_id, r.rating_id, 1, d.therapist_id, d.client_id, r.session_at, r.instrument, r.status,
    3.5, 3.5, 3.5 FROM detector.rating r JOIN detector.dyad d USING (practice_id, dyad_id)
WHERE r.session_at > (SELECT max(session_at) FROM detector.rating) - interval '12 weeks';
"""


def fill(url: str, dyads: int, sessions: int, report: Callable[[str], None]) -> None:
    """Store `sessions` ratings of each of `dyads` dyads."""
    asyncio.run(_store_template(url, range(-sessions, 0)))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET synchronous_commit = off")
        conn.execute("SET maintenance_work_mem = '1GB'")
        _map(conn, dyads)
        indexes = _without_indexes(conn)
        for table in COPIED:
            _multiply(conn, table, dyads // TEMPLATE_DYADS)
            report(f"{table} filled")
        for statement in indexes:
            conn.execute(statement.encode())
        report("indexes created")
        content = changed(facts=facts_of_a_step()).model_dump_json()
        with psycopg.ClientCursor(conn) as cursor:
            for statement in _INBOX.split(";\n")[:-1]:
                cursor.execute(statement.encode(), (content,) if "%s" in statement else None)
        conn.execute("VACUUM ANALYZE")
        report("analyzed")
    all_done_today(url)


def calm_clients(url: str, sessions: int) -> list[int]:
    """Return the numbers of clients who have just the sessions they were filled with, and no episode."""
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT substr(client_id, 2)::int FROM detector.dyad d WHERE history_revision = %s"
            " AND NOT EXISTS (SELECT FROM detector.episode e WHERE e.dyad_id = d.dyad_id) ORDER BY 1",
            (sessions,),
        )
        return [number for (number,) in rows]


def next_client(url: str) -> int:
    """Return a number from which on no client has a row."""
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT max(substr(client_id, 2)::int) + 1 FROM detector.dyad").fetchone()
    return int(row[0] or 0) if row is not None else 0


async def _store_template(url: str, sessions: Iterable[int]) -> None:
    records = [
        Record(out.topic, int(out.key[:4], 16) % 24, number, 0, out.key, out.value)
        for number, out in enumerate(ratings_of(range(TEMPLATE_DYADS), sessions))
    ]
    async with detector_driver(url) as driver:
        driver.tools = load_tools(DetectorSettings(), InstrumentSettings())
        driver.cluster_id = CLUSTER
        for practice in range(PRACTICES):
            await driver.practice(f"practice-{practice}")
        for first in range(0, len(records), TEMPLATE_DYADS):
            await driver.feed(records[first : first + TEMPLATE_DYADS])


def _map(conn: Conn, dyads: int) -> None:
    """Create the table of copies: which dyad each is a copy of, and whom it is about."""
    conn.execute(
        "CREATE TEMPORARY TABLE made (copy integer, template uuid, dyad_id uuid, client_id text,"
        " therapist_id text)"
    )
    with conn.cursor() as cursor, cursor.copy("COPY made FROM STDIN") as copy:
        for number in range(TEMPLATE_DYADS, dyads // TEMPLATE_DYADS * TEMPLATE_DYADS):
            like = number % TEMPLATE_DYADS
            copy.write_row(
                (number // TEMPLATE_DYADS, _id(like), _id(number), f"c{number}", f"t{number // 20}")
            )
    conn.execute("CREATE INDEX ON made (copy)")
    conn.execute("ANALYZE made")


def _id(number: int) -> object:
    practice = PracticeId(f"practice-{number % PRACTICES}")
    return dyad_id(Dyad(practice, TherapistId(f"t{number // 20}"), ClientId(f"c{number}"), CaseId("")))


def _without_indexes(conn: Conn) -> list[str]:
    """Drop the indexes and foreign keys of the copied tables; return the statements that restore them."""
    restored: dict[str, list[str]] = {"p": [], "i": [], "f": []}  # foreign keys need keys and indexes
    for table in COPIED:
        conn.execute(f"CREATE TEMPORARY TABLE template_{table} AS SELECT * FROM detector.{table}".encode())
    for kind in ("f", "p"):  # foreign keys hold primary keys
        for name, table, definition in conn.execute(
            "SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = %s AND conrelid = ANY(%s::regclass[])",
            (kind, [f"detector.{table}" for table in COPIED]),
        ).fetchall():
            conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
            restored[kind].append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for name, definition in conn.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = ANY(%s::regclass[])",
        ([f"detector.{table}" for table in COPIED],),
    ).fetchall():
        conn.execute(f"DROP INDEX {name}".encode())
        restored["i"].append(str(definition))
    return [*restored["p"], *restored["i"], *restored["f"]]


def _multiply(conn: Conn, table: str, copies: int) -> None:
    where, changes = COPIED[table]
    columns = [
        f'"{name}"'
        for (name,) in conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attidentity = '' ORDER BY attnum",
            (f"detector.{table}",),
        )
    ]
    values = [changes.get(name.strip('"'), changes.get(name, f"t.{name}")) for name in columns]
    statement = (
        f"INSERT INTO detector.{table} ({', '.join(columns)}) SELECT {', '.join(values)}"
        f" FROM made m JOIN template_{table} t ON {where.replace('detector.', 'template_')}"
        " WHERE m.copy >= %s AND m.copy < %s"
    )
    for first in range(1, copies, _COPIES_AT_ONCE):
        conn.execute(statement.encode(), (first, min(copies, first + _COPIES_AT_ONCE)))


def all_done_today(url: str) -> None:
    """Let no daily or weekly job begin while something else is measured."""
    with psycopg.connect(url) as conn:
        conn.execute(
            "INSERT INTO detector.sweep SELECT n, current_date FROM generate_series(0, 23) AS n"
            " ON CONFLICT (partition) DO UPDATE SET day = EXCLUDED.day"
        )
        conn.execute(
            "INSERT INTO detector.renewal (practice_id, job, tried_on) SELECT practice_id, job, current_date"
            " FROM detector.practice CROSS JOIN unnest(%s::text[]) AS job"
            " ON CONFLICT (practice_id, job) DO UPDATE SET tried_on = EXCLUDED.tried_on",
            (["thresholds", "statistics"],),
        )


def sizes(url: str) -> Sequence[tuple[Any, ...]]:
    """Return schema, name, table, and bytes of each table and index of both services, largest first."""
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT n.nspname, c.relname, coalesce(i.indrelid, t.oid, c.oid)::regclass::text,"
            " pg_relation_size(c.oid) FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
            " LEFT JOIN pg_class t ON t.reltoastrelid = coalesce(i.indrelid, c.oid)"
            " JOIN pg_class o ON o.oid = coalesce(t.oid, i.indrelid, c.oid)"
            " JOIN pg_namespace n ON n.oid = o.relnamespace"
            " WHERE n.nspname IN ('detector', 'notifier') AND c.relkind IN ('r', 'i', 't')"
            " ORDER BY 4 DESC"
        ).fetchall()
