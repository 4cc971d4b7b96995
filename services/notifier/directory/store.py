"""Reads and writes therapists, practices' options and stated next sessions in PostgreSQL."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas.events import EpisodeChanged
from services.notifier.channels.channel import Channel, Contact, MailTiming, contact_columns, contact_models
from services.notifier.domain.mail_plan import MailHours
from services.notifier.domain.next_session import NextSession, StatedSession, determine_next_session
from services.notifier.domain.therapist import OwnSettings, Therapist

Connection = AsyncConnection[TupleRow]

KEY = ("practice_id", "therapist_id")
_ENTRY_COLUMNS = (*KEY, "address", "locale", "time_zone", "channels", "supervisor", "quiet", "mail_timing")
_SETTING_COLUMNS = ("language", "mail_on", "mail_timing", "mail_hour", "mail_hour_chosen", "paused_until")
_CLIENTS = "unnest(%s::text[], %s::text[], %s::text[]) AS wanted (practice_id, therapist_id, client_id)"


@cache
def _columns() -> tuple[str, ...]:
    contacts = (contact_columns(channel).values() for channel in contact_models())
    return (*_ENTRY_COLUMNS, *chain.from_iterable(contacts))


@cache
def _select() -> str:
    entry = (f"therapist.{column}" for column in _columns())
    own = (f"own.{column}" for column in ("changed_at", *_SETTING_COLUMNS))
    return (
        f"SELECT {', '.join((*entry, *own))} FROM notifier.therapist"
        " LEFT JOIN notifier.own_settings own USING (practice_id, therapist_id)"
    )


@dataclass(frozen=True, slots=True)
class PracticeOptions:
    """What a practice has chosen for the messages to its therapists."""

    practice_id: str
    messages_on: bool = True
    """False when messages are switched off, the inbox included."""
    client_url_template: str | None = None
    """Link into the practice's own record, containing `{client_id}`."""
    display_name: str | None = None
    """The name with which mail is signed, `Rapport for <name>`."""
    mail_timing: MailTiming = MailTiming.BEFORE_SESSION
    """When mail goes out to therapists for whom nothing else is set."""
    observing: bool = False
    """Nothing is told to its therapists for now."""
    mail_hours: MailHours = field(default_factory=MailHours)
    contact: str | None = None
    """Mail address that is told when the practice's feed of ratings has fallen silent."""
    contact_language: str = "en"
    shows_reference: bool = True
    """False when its therapists' pages name clients by a running number instead of its own reference."""

    @property
    def tells(self) -> bool:
        """Whether anything is told to its therapists."""
        return self.messages_on and not self.observing


async def find_therapists(
    conn: Connection, who: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], Therapist]:
    """Return those of the (practice id, therapist id) pairs that are in the directory."""
    practices, therapists = zip(*set(who), strict=True) if who else ((), ())
    rows = await conn.execute(
        f"{_select()} JOIN unnest(%s::text[], %s::text[])"
        " AS wanted (practice_id, therapist_id) USING (practice_id, therapist_id)",
        (list(practices), list(therapists)),
    )
    found = [_therapist(row) for row in await rows.fetchall()]
    return {(one.practice_id, one.therapist_id): one for one in found}


async def find_therapist(conn: Connection, practice_id: str, therapist_id: str) -> Therapist | None:
    """Return one therapist, or None when they are not in the directory."""
    found = await find_therapists(conn, [(practice_id, therapist_id)])
    return found.get((practice_id, therapist_id))


async def find_by_address(conn: Connection, address: str, at_most: int) -> list[Therapist]:
    """Return the therapists with this mail address, in any practice; letter case is ignored."""
    rows = await conn.execute(
        f"{_select()} WHERE lower(address) = lower(%s) ORDER BY practice_id, therapist_id LIMIT %s",
        (address, at_most),
    )
    return [_therapist(row) for row in await rows.fetchall()]


async def put_own_settings(conn: Connection, therapist: Therapist, own: OwnSettings, now: datetime) -> None:
    """Store what a therapist has set themselves, replacing what they had set before."""
    timing = own.mail_timing.value if own.mail_timing else None
    chosen = own.mail_hour is not None
    hour = own.mail_hour if chosen else MailHours().hour
    values = [own.language, own.mail_on, timing, hour, chosen, own.paused_until]
    await conn.execute(
        f"INSERT INTO notifier.own_settings (practice_id, therapist_id, {', '.join(_SETTING_COLUMNS)},"
        f" changed_at) VALUES (%s, %s, {', '.join(['%s'] * len(values))}, %s)"
        " ON CONFLICT (practice_id, therapist_id) DO UPDATE SET"
        f" {', '.join(f'{column} = excluded.{column}' for column in (*_SETTING_COLUMNS, 'changed_at'))}",
        (therapist.practice_id, therapist.therapist_id, *values, now),
    )


async def find_practices(conn: Connection, ids: Iterable[str]) -> Mapping[str, PracticeOptions]:
    """Return the options of those practices that have stored some."""
    rows = await conn.execute(
        "SELECT practice_id, told, client_url_template, display_name, mail_timing, observing, contact,"
        " contact_language, reference_shown, mail_hour, mail_hours_before, quiet_from, quiet_until"
        " FROM notifier.practice WHERE practice_id = ANY(%s)",
        (sorted(set(ids)),),
    )
    return {
        practice: PracticeOptions(
            practice, told, template, name, MailTiming(timing), observing, MailHours(*hours), *contact
        )
        for practice, told, template, name, timing, observing, *contact, hours in (
            (*row[:9], row[9:]) for row in await rows.fetchall()
        )
    }


async def find_practice(conn: Connection, practice_id: str) -> PracticeOptions:
    """Return a practice's options; the defaults when it has stored none."""
    return (await find_practices(conn, [practice_id])).get(practice_id, PracticeOptions(practice_id))


async def put_practice(conn: Connection, practice: PracticeOptions) -> None:
    """Store a practice's options, replacing the earlier ones; repeating the call changes nothing."""
    await conn.execute(
        "INSERT INTO notifier.practice (practice_id, told, client_url_template, display_name, mail_timing,"
        " observing, mail_hour, mail_hours_before, quiet_from, quiet_until, contact, contact_language,"
        " reference_shown) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (practice_id) DO UPDATE SET"
        " told = excluded.told, client_url_template = excluded.client_url_template,"
        " display_name = excluded.display_name,"
        " mail_timing = excluded.mail_timing, observing = excluded.observing,"
        " mail_hour = excluded.mail_hour, mail_hours_before = excluded.mail_hours_before,"
        " quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,"
        " contact = excluded.contact, contact_language = excluded.contact_language,"
        " reference_shown = excluded.reference_shown",
        (
            practice.practice_id,
            practice.messages_on,
            practice.client_url_template,
            practice.display_name,
            practice.mail_timing.value,
            practice.observing,
            practice.mail_hours.hour,
            practice.mail_hours.before,
            practice.mail_hours.quiet_from,
            practice.mail_hours.quiet_until,
            practice.contact,
            practice.contact_language,
            practice.shows_reference,
        ),
    )


def _therapist(row: TupleRow) -> Therapist:
    entry, (set_at, *own) = row[: len(_columns())], row[len(_columns()) :]
    values = dict(zip(_columns(), entry, strict=True))
    fields = {name: values[name] for name in _ENTRY_COLUMNS}
    fields["channels"] = tuple(Channel(name) for name in values["channels"])
    fields["mail_timing"] = _timing(values["mail_timing"])
    settings = OwnSettings() if set_at is None else _own_settings(own)
    return Therapist(**fields, own=settings, contacts=dict(_contacts(values)))


def _own_settings(row: Sequence[Any]) -> OwnSettings:
    values = dict(zip(_SETTING_COLUMNS, row, strict=True))
    if not values.pop("mail_hour_chosen"):
        values["mail_hour"] = None
    return OwnSettings(**{**values, "mail_timing": _timing(values["mail_timing"])})


def _timing(stored: str | None) -> MailTiming | None:
    return None if stored is None else MailTiming(stored)


def _contacts(values: Mapping[str, Any]) -> Iterator[tuple[Channel, Contact]]:
    for channel, model in contact_models().items():
        fields = {name: values[column] for name, column in contact_columns(channel).items()}
        if None not in fields.values():
            # Checked when it was stored: a rule that has become stricter since must not stop a batch.
            yield channel, model.model_construct(**fields)


async def put_next_session(
    conn: Connection, key: tuple[str, str, str], at: datetime | None, received_at: datetime
) -> None:
    """Store a statement for (practice id, therapist id, client id), unless a later one was received."""
    await conn.execute(
        "INSERT INTO notifier.next_session (practice_id, therapist_id, client_id, next_at, received_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (practice_id, therapist_id, client_id) DO UPDATE"
        " SET next_at = excluded.next_at, received_at = excluded.received_at"
        " WHERE next_session.received_at <= excluded.received_at",
        (*key, at, received_at),
    )


async def next_session(
    conn: Connection, practice: str, therapist: str, client: str, change: EpisodeChanged
) -> NextSession | None:
    """Return a client's next session after those of `change`, the newest change that is known."""
    (found,) = await next_sessions(conn, [((practice, therapist, client), change)])
    return found


async def next_sessions(
    conn: Connection, wanted: Sequence[tuple[tuple[str, str, str], EpisodeChanged]]
) -> list[NextSession | None]:
    """Return the next session for each ((practice id, therapist id, client id), newest change)."""
    if not wanted:
        return []
    keys = sorted({key for key, _ in wanted})
    rows = await conn.execute(
        "SELECT practice_id, therapist_id, client_id, coalesce(t.time_zone, 'UTC'), s.next_at, s.received_at"
        f" FROM {_CLIENTS} LEFT JOIN notifier.next_session s USING (practice_id, therapist_id, client_id)"
        " LEFT JOIN notifier.therapist t USING (practice_id, therapist_id)",
        [list(column) for column in zip(*keys, strict=True)],
    )
    found: dict[tuple[str, str, str], tuple[ZoneInfo, StatedSession | None]] = {}
    for practice, therapist, client, zone, at, received_at in await rows.fetchall():
        stated = None if received_at is None else StatedSession(at, received_at)
        found[practice, therapist, client] = ZoneInfo(zone), stated
    return [determine_next_session(change, found[key][1], found[key][0]) for key, change in wanted]
