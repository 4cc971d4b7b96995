"""Defines the notifier's part of `rapport`: a practice's options, `why`, `doctor` and `therapists`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import typer

from schemas.wording.wording import LANGUAGES
from services.notifier.channels.channel import ADDRESS, MailTiming
from services.notifier.cli import deliveries, therapists, webhooks
from services.notifier.cli.client_rows import CLIENT_ROWS, OTHER_TABLES
from services.notifier.cli.practice_status import practice_status
from services.notifier.cli.session_trace import trace
from services.notifier.directory.store import PracticeOptions, find_practice, put_practice
from services.notifier.domain.mail_plan import MailHours
from services.runtime.process.cli_plugin import (
    AuditEntry,
    CheckResult,
    Connection,
    Eraser,
    Plugin,
    StoredEvent,
    Tenant,
    Verdict,
    operator,
)

_SWITCH = {"on": True, "off": False}
_SHOWN = {"yes": True, "no": False}
_OBSERVING = {"observe": True, "live": False}
_LONGEST_NAME = 80


def register(app: typer.Typer) -> None:
    """Add the notifier's commands."""
    therapists.register(app)
    deliveries.register(app)
    webhooks.register(app)


async def put_tenant(conn: Connection, tenant: Tenant) -> None:
    """Store a practice's options; an option that is not given keeps its value, or takes its default when new.

    Raises:
        ValueError: an option cannot be used; the message says what is expected.
    """
    before = await find_practice(conn, tenant.id)
    template = tenant.options.get("client_url_template", before.client_url_template) or None
    if template is not None and not _is_template(template):
        raise ValueError(
            "client_url_template: expected a web address with {client_id} in it,"
            " such as https://records.example.org/clients/{client_id}"
        )
    messages = tenant.options.get("messages", "on" if before.messages_on else "off").lower()
    if messages not in _SWITCH:
        raise ValueError("messages: expected on or off")
    name = tenant.options.get("display_name", before.display_name or "").strip()
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"display_name: expected one line of at most {_LONGEST_NAME} characters")
    timing = tenant.options.get("mail_timing", before.mail_timing.value)
    if timing not in set(MailTiming):
        raise ValueError(f"mail_timing: expected {', '.join(MailTiming)}")
    mode = tenant.options.get("mode", "observe" if before.observing else "live")
    if mode not in _OBSERVING:
        raise ValueError("mode: expected live or observe")
    contact = tenant.options.get("contact", before.contact) or None
    if contact is not None and not ADDRESS.fullmatch(contact):
        raise ValueError("contact: expected a mail address such as it@practice.example")
    language = tenant.options.get("contact_language", before.contact_language)
    if language not in LANGUAGES:
        raise ValueError(f"contact_language: expected {' or '.join(LANGUAGES)}")
    shown = tenant.options.get("show_reference", "yes" if before.shows_reference else "no").lower()
    if shown not in _SHOWN:
        raise ValueError("show_reference: expected yes or no")
    if template is not None and not _SHOWN[shown]:
        raise ValueError(
            "show_reference: the link of client_url_template holds the reference that is to be hidden;"
            " set client_url_template to nothing, or show_reference to yes"
        )
    options = PracticeOptions(
        tenant.id,
        _SWITCH[messages],
        template,
        name or None,
        MailTiming(timing),
        _OBSERVING[mode],
        _mail_hours(tenant.options, before.mail_hours),
        contact,
        language,
        _SHOWN[shown],
    )
    await put_practice(conn, options)


def _mail_hours(given: Mapping[str, str], before: MailHours) -> MailHours:
    quiet = re.fullmatch(r"(\d{1,2})-(\d{1,2})", given.get("quiet_hours", before.quiet_hours))
    if quiet is None:
        raise ValueError("quiet_hours: expected two hours such as 20-7")
    hours = {}
    for name, known in (("mail_hour", before.hour), ("mail_hours_before", before.before)):
        value = given.get(name, str(known))
        if not re.fullmatch(r"\d{1,2}", value):
            raise ValueError(f"{name}: expected a number of hours, such as {known}")
        hours[name] = int(value)
    return MailHours(hours["mail_hour"], hours["mail_hours_before"], int(quiet[1]), int(quiet[2]))


def _is_template(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # Only behind the host: a client's id must never choose where the link leads.
    behind_host = text.partition(parts.netloc)[2] if parts.netloc else ""
    return (
        parts.scheme in {"https", "http"}
        and bool(parts.hostname)
        and behind_host.count("{client_id}") == 1
        and text.count("{") == 1
        and not any(character.isspace() for character in text)
    )


def why_unreadable(topic: str, key: bytes | None, value: bytes | None) -> str | None:
    """Return why the notifier cannot read a record; None if it can."""
    from services.notifier.stages.decode import decode_record
    from services.runtime.kafka.record import Record
    from services.runtime.process.errors import Reject

    try:
        decode_record(Record(topic, 0, 0, 0, key, value))
    except Reject as reject:
        return str(reject)
    return None


async def stored_events(conn: Connection, since: datetime) -> list[StoredEvent]:
    """Return the answers that were published since a time, as they were published."""
    from services.notifier.inbox import stored_responses

    return await stored_responses.stored_events(conn, since)


async def rename_client(conn: Connection, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a client in the notifier's tables; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    from services.notifier import client_names

    return await client_names.rename_client(conn, practice, old, new, datetime.now(UTC))


async def rename_therapist(conn: Connection, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a therapist in the notifier's tables; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    from services.notifier import directory_changes

    return await directory_changes.rename_therapist(
        conn, practice, old, new, datetime.now(UTC), actor=operator()
    )


async def audit(conn: Connection, practice: str, client: str | None) -> list[AuditEntry]:
    """Return who viewed and read what, and who changed the directory; or only what concerns one client."""
    from services.notifier.inbox.audit_log import entries

    return await entries(conn, practice, client)


async def check(conn: Connection) -> list[CheckResult]:
    """Check whether messages are sent in time, whether every therapist can be reached, and the audit log."""
    from services.runtime.postgres.audit_months import check_audit_months

    row = await (
        await conn.execute(
            "SELECT count(*) FILTER (WHERE state IN ('pending', 'retrying')"
            " AND due_at < now() - interval '15 minutes'),"
            " count(*) FILTER (WHERE state = 'failed' AND finished_at > now() - interval '7 days')"
            " FROM notifier.delivery"
        )
    ).fetchone()
    late, failed = row if row is not None else (0, 0)
    unreachable = await (
        await conn.execute(
            "SELECT count(DISTINCT (d.practice_id, d.therapist_id)) FROM notifier.decision d"
            " LEFT JOIN notifier.therapist t USING (practice_id, therapist_id)"
            " WHERE d.channel = 'email' AND d.reason = 'no-address' AND t.address IS NULL"
        )
    ).fetchone()
    missing = unreachable[0] if unreachable is not None else 0
    silent = [
        practice
        for (practice,) in await (
            await conn.execute(
                "SELECT practice_id FROM notifier.feed_silence WHERE ended_on IS NULL ORDER BY practice_id"
            )
        ).fetchall()
    ]
    return [
        CheckResult(
            "silent feeds",
            Verdict.NOTICE if silent else Verdict.GOOD,
            f"{len(silent)} practices have sent nothing for three times their usual gap"
            f"{': ' + ', '.join(silent) if silent else ''}",
            "ask them whether their system still sends" if silent else "",
        ),
        CheckResult(
            "messages waiting",
            Verdict.BAD if late else Verdict.GOOD,
            f"{late} have been due for more than 15 minutes",
            "check the mail server, then read `notifier.delivery.reason`" if late else "",
        ),
        CheckResult(
            "messages failed",
            Verdict.NOTICE if failed else Verdict.GOOD,
            f"{failed} failed in the last 7 days",
            "correct the addresses in the directory (`rapport therapists import`)" if failed else "",
        ),
        CheckResult(
            "therapists without an address",
            Verdict.NOTICE if missing else Verdict.GOOD,
            f"{missing} have an inbox item and no address to send messages to",
            "add them with `rapport therapists import`" if missing else "",
        ),
        await check_audit_months(conn, "notifier"),
    ]


def eraser(secret: bytes) -> Eraser:
    """Return what erases from the notifier's tables."""
    from services.notifier.cli.erasure import NotifierEraser

    return NotifierEraser(secret)


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document; connects to nothing."""
    from services.notifier.openapi import openapi as document

    return document()


plugin = Plugin(
    name="notifier",
    has_tables=True,
    tenant_options={
        "client_url_template": "Link into the practice's own record, containing {client_id}.",
        "contact": "Mail address that is told once when no ratings arrive for three times the usual gap.",
        "contact_language": "The language of that mail: en (default) or de.",
        "display_name": "The name with which mail is signed: Rapport for NAME.",
        "mail_timing": "before-session (default), daily or immediate; therapists may choose for themselves.",
        "mail_hour": "7 (default): the hour of a daily mail, and of mail without a known next session, on the"
        " therapist's clock; therapists may choose for themselves.",
        "mail_hours_before": "24 (default), 3 to 72: how many hours before a session mail goes out.",
        "show_reference": "yes (default), or no: the pages that a therapist reads name a client by a running"
        " number instead of the practice's reference; not together with client_url_template.",
        "quiet_hours": "20-7 (default): no mail goes out between these hours of the therapist's clock.",
        "mode": "live (default), or observe: nothing is told, and `rapport observed` shows what would have"
        " been; after observe, live tells only episodes that open later.",
        "messages": "on (default) or off; off sends and shows nothing to the practice's therapists.",
    },
    register=register,
    put_tenant=put_tenant,
    trace=trace,
    tenant_status=practice_status,
    audit=audit,
    check=check,
    why_unreadable=why_unreadable,
    stored_events=stored_events,
    rename_therapist=rename_therapist,
    rename_client=rename_client,
    client_rows=CLIENT_ROWS,
    other_tables=OTHER_TABLES,
    eraser=eraser,
    openapi=openapi,
)
