"""The detector's plugin for `rapport`: commands, options of a practice, and answers to `why` and `doctor`."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from services.detector.cli.client_rows import CLIENT_ROWS, OTHER_TABLES
from services.detector.cli.commands import register
from services.detector.cli.practice_status import practice_status
from services.detector.cli.session_trace import trace
from services.detector.cli.table_checks import check
from services.detector.domain.practice_defaults import MAX_AGE_DAYS, SENSITIVITIES
from services.runtime.kafka.record import Record
from services.runtime.process.cli_plugin import (
    AuditEntry,
    Connection,
    Eraser,
    KnownRecord,
    LogEnd,
    OperatorAct,
    Plugin,
    StoredEvent,
    Tenant,
)

_PUT = """
INSERT INTO detector.practice AS p
    (practice_id, added_at, tell_from, max_age_days, false_alarms, observing_since)
VALUES (%(id)s, %(added_at)s, %(tell_from)s, %(max_age_days)s, %(false_alarms)s,
    CASE WHEN %(mode)s = 'observe' THEN %(now)s END)
ON CONFLICT (practice_id) DO UPDATE SET
    tell_from = CASE WHEN %(set_tell_from)s THEN EXCLUDED.tell_from ELSE p.tell_from END,
    max_age_days = CASE WHEN %(set_max_age)s THEN EXCLUDED.max_age_days ELSE p.max_age_days END,
    false_alarms = CASE WHEN %(set_false_alarms)s THEN EXCLUDED.false_alarms ELSE p.false_alarms END,
    observing_since = CASE
        WHEN %(mode)s = 'observe' AND (p.observing_since IS NULL OR p.live_from IS NOT NULL)
        THEN %(now)s ELSE p.observing_since END,
    live_from = CASE WHEN %(mode)s = 'observe' THEN NULL
        WHEN %(mode)s = 'live' AND p.observing_since IS NOT NULL THEN coalesce(p.live_from, %(now)s)
        ELSE p.live_from END
"""


async def has_tenant(conn: Connection, practice: str) -> bool:
    """Return whether there is a practice of this id."""
    row = await (
        await conn.execute("SELECT 1 FROM detector.practice WHERE practice_id = %s", (practice,))
    ).fetchone()
    return row is not None


async def put_tenant(conn: Connection, tenant: Tenant) -> None:
    """Store a practice's options. An option that is not given keeps its value, or its default when new.

    Raises:
        ValueError: an option is invalid; the message says what is expected.
    """
    options = tenant.options
    await conn.execute(
        _PUT,
        {
            "id": tenant.id,
            "added_at": tenant.added_at,
            "tell_from": _tell_from(options.get("tell_from"), tenant.added_at),
            "max_age_days": _days(options.get("max_age_days")),
            "false_alarms": _share(options.get("sensitivity")),
            "set_tell_from": "tell_from" in options,
            "set_max_age": "max_age_days" in options,
            "set_false_alarms": "sensitivity" in options,
            "mode": _mode(options.get("mode")),
            "now": datetime.now(UTC),
        },
    )
    if "model_version" in options:
        from services.detector.cli.models import loaded_versions
        from services.detector.storage.model_activations import activate, activated_versions

        version = options["model_version"] or None
        if version is not None and version not in await activated_versions(conn) | loaded_versions():
            raise ValueError(
                f"model_version: there is no model {version!r}; a new one is activated by its folder:"
                f" rapport models activate --model FOLDER --practice {tenant.id}"
            )
        await activate(conn, [tenant.id], version, datetime.now(UTC))


def _mode(text: str | None) -> str | None:
    if text not in {None, "live", "observe"}:
        raise ValueError("mode: expected live or observe")
    return text


def _tell_from(text: str | None, added_at: datetime) -> datetime | None:
    if text is None:
        return added_at
    if text == "always":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            "tell_from: expected a date and time with its zone, such as 2026-11-20T00:00+01:00, or always"
        )
    return moment


def _days(text: str | None) -> int | None:
    if text is None:
        return MAX_AGE_DAYS
    if text in {"none", "always"}:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise ValueError("max_age_days: expected a number of days from 1 to 36500, or none")
    return int(text)


def _share(text: str | None) -> float:
    if text in SENSITIVITIES:
        return SENSITIVITIES[text] / 100
    try:
        per_100 = float(text or SENSITIVITIES["balanced"])
    except ValueError:
        per_100 = 0.0
    if not 1 <= per_100 <= 20:
        raise ValueError(
            f"sensitivity: expected {', '.join(SENSITIVITIES)}, or the false alarms per 100 stable sessions,"
            " from 1 to 20"
        )
    return per_100 / 100


def why_unreadable(topic: str, key: bytes | None, value: bytes | None) -> str | None:
    """Return why the detector cannot read a record; None if it can."""
    from services.detector.stream.stages import decode

    return decode.why_unreadable(Record(topic, 0, 0, 0, key, value))


async def known_records(conn: Connection, end: LogEnd) -> list[KnownRecord]:
    """Return the ratings and duplicates of a log, from an offset on."""
    from services.detector.storage import lost_log

    return await lost_log.known_records(conn, end)


async def forget_log_end(conn: Connection, end: LogEnd, cluster_id: str) -> list[str]:
    """Move ratings and duplicates of a lost end of the log to another cluster id; name the ratings."""
    from services.detector.storage import lost_log

    return await lost_log.forget_log_end(conn, end, cluster_id)


async def stored_events(conn: Connection, since: datetime) -> list[StoredEvent]:
    """Return the changes of episodes that were published since a time, as they were published."""
    from services.detector.storage import lost_log

    return await lost_log.stored_events(conn, since)


async def rename_therapist(conn: Connection, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a therapist in the detector's tables; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    from services.runtime.postgres.former_names import Party, Rename, rename_in_tables

    rename = Rename(Party.THERAPIST, practice, old, new)
    return await rename_in_tables(conn, "detector", rename, datetime.now(UTC))


async def rename_client(conn: Connection, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a client in the detector's tables; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    from services.detector.storage import client_names

    return await client_names.rename_client(conn, practice, old, new, datetime.now(UTC))


async def ratings_as_sent(conn: Connection, practice: str) -> AsyncIterator[bytes]:
    """Yield every rating of a practice as the body that is sent."""
    from services.detector.cli import export

    async for body in export.ratings_as_sent(conn, practice):
        yield body


async def audit(conn: Connection, practice: str, client: str | None) -> list[AuditEntry]:
    """Return who read what with a key, and what operators did; or only what concerns one client."""
    from services.detector.storage import audit_log

    return await audit_log.entries(conn, practice, client)


async def record_acts(conn: Connection, acts: Sequence[OperatorAct]) -> None:
    """Log what operators did."""
    from services.detector.storage import audit_log

    await audit_log.record_acts(conn, acts)


async def sandboxes(conn: Connection) -> dict[str, datetime]:
    """Return the sandboxes, each with when it was added."""
    from services.detector.storage.sandboxes import read_sandboxes

    return await read_sandboxes(conn)


def eraser(secret: bytes) -> Eraser:
    """Return what erases from the detector's tables."""
    from services.detector.cli.erasure import DetectorEraser

    return DetectorEraser(secret)


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document; connects to nothing."""
    from services.detector.openapi import openapi as document

    return document()


plugin = Plugin(
    name="detector",
    has_tables=True,
    tenant_options={
        "tell_from": "Send messages about sessions after this time (with zone), or always; default: when"
        " the practice is added.",
        "max_age_days": "Send messages about sessions of at most this age in days, or none for any age;"
        f" default: {MAX_AGE_DAYS}.",
        "sensitivity": "low, balanced or high, or the false alarms per 100 stable sessions, from 1 to 20;"
        " default: balanced (5).",
        "mode": "live (default), or observe: nothing is told, and `rapport observed` shows what would have"
        " been; after observe, live tells only episodes that open later.",
        "model_version": "The loaded model that scores; default: the shipped one.",
    },
    register=register,
    put_tenant=put_tenant,
    has_tenant=has_tenant,
    trace=trace,
    tenant_status=practice_status,
    audit=audit,
    record_acts=record_acts,
    check=check,
    why_unreadable=why_unreadable,
    known_records=known_records,
    forget_log_end=forget_log_end,
    stored_events=stored_events,
    rename_therapist=rename_therapist,
    rename_client=rename_client,
    client_rows=CLIENT_ROWS,
    other_tables=OTHER_TABLES,
    ratings_as_sent=ratings_as_sent,
    sandboxes=sandboxes,
    eraser=eraser,
    openapi=openapi,
)
