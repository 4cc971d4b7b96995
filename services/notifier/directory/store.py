"""The directory in PostgreSQL: therapists and practices in and out."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.notifier.domain.decision import Channel
from services.notifier.domain.therapist import Therapist

Connection = AsyncConnection[TupleRow]

_FIELDS = (
    "practice_id, therapist_id, address, locale, time_zone, channels, supervisor, quiet, webhook_url, "
    "webhook_secret"
)


@dataclass(frozen=True, slots=True)
class Practice:
    """What a practice wants of the messages to its therapists."""

    practice_id: str
    told: bool = True
    """False: messages are switched off, the inbox included."""
    client_url_template: str | None = None
    """A link into the practice's own record, with `{client_id}` in it."""


async def find_therapists(
    conn: Connection, who: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], Therapist]:
    """Those of the (practice id, therapist id) pairs that are in the directory."""
    practices, therapists = zip(*set(who), strict=True) if who else ((), ())
    rows = await conn.execute(
        f"SELECT {_FIELDS} FROM notifier.therapist JOIN unnest(%s::text[], %s::text[])"
        " AS wanted (practice_id, therapist_id) USING (practice_id, therapist_id)",
        (list(practices), list(therapists)),
    )
    found = [_therapist(row) for row in await rows.fetchall()]
    return {(one.practice_id, one.therapist_id): one for one in found}


async def find_therapist(conn: Connection, practice_id: str, therapist_id: str) -> Therapist | None:
    """One therapist, or None when not in the directory."""
    found = await find_therapists(conn, [(practice_id, therapist_id)])
    return found.get((practice_id, therapist_id))


async def find_by_address(conn: Connection, address: str, at_most: int) -> list[Therapist]:
    """The therapists who read mail at this address, in any practice; upper and lower case are the same."""
    rows = await conn.execute(
        f"SELECT {_FIELDS} FROM notifier.therapist WHERE lower(address) = lower(%s)"
        " ORDER BY practice_id, therapist_id LIMIT %s",
        (address, at_most),
    )
    return [_therapist(row) for row in await rows.fetchall()]


async def put_therapist(conn: Connection, therapist: Therapist) -> bool:
    """Store a therapist, replacing what was stored; True when they are new to the directory."""
    row = await (
        await conn.execute(
            f"INSERT INTO notifier.therapist ({_FIELDS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (practice_id, therapist_id) DO UPDATE SET address = excluded.address,"
            " locale = excluded.locale, time_zone = excluded.time_zone, channels = excluded.channels,"
            " supervisor = excluded.supervisor, quiet = excluded.quiet, webhook_url = excluded.webhook_url,"
            " webhook_secret = excluded.webhook_secret, changed_at = now() RETURNING xmax = 0",
            (
                therapist.practice_id,
                therapist.therapist_id,
                therapist.address,
                therapist.locale,
                therapist.time_zone,
                [channel.value for channel in therapist.channels],
                therapist.supervisor,
                therapist.quiet,
                therapist.webhook_url,
                therapist.webhook_secret,
            ),
        )
    ).fetchone()
    return row is not None and bool(row[0])


async def find_practices(conn: Connection, ids: Iterable[str]) -> Mapping[str, Practice]:
    """Those of the practices that have options stored."""
    rows = await conn.execute(
        "SELECT practice_id, told, client_url_template FROM notifier.practice WHERE practice_id = ANY(%s)",
        (sorted(set(ids)),),
    )
    return {row[0]: Practice(*row) for row in await rows.fetchall()}


async def put_practice(conn: Connection, practice: Practice) -> None:
    """Store a practice's options, replacing those that were stored; the same call again changes nothing."""
    await conn.execute(
        "INSERT INTO notifier.practice (practice_id, told, client_url_template) VALUES (%s, %s, %s)"
        " ON CONFLICT (practice_id) DO UPDATE SET told = excluded.told,"
        " client_url_template = excluded.client_url_template",
        (practice.practice_id, practice.told, practice.client_url_template),
    )


def _therapist(row: TupleRow) -> Therapist:
    practice_id, therapist_id, address, locale, time_zone, channels, supervisor, quiet, url, secret = row
    return Therapist(
        practice_id=practice_id,
        therapist_id=therapist_id,
        address=address,
        locale=locale,
        time_zone=time_zone,
        channels=tuple(Channel(name) for name in channels),
        supervisor=supervisor,
        quiet=quiet,
        webhook_url=url,
        webhook_secret=secret,
    )
