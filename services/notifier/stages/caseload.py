"""caseload: keeps the newest sessions of every client, for the page of a therapist's clients."""

from collections.abc import Iterable, Sequence
from datetime import date

from schemas.components import Component
from schemas.events import FORM_STATUSES, AllianceAssessed
from services.runtime.outbox.transaction import Transaction

SESSIONS_KEPT = 12
"""Sessions kept of each client and therapist: three months of weekly sessions.

As many are kept of those that did not take place or were withdrawn: they use up no place of the others, and
an older revision that arrives late does not bring them back.
"""

_COLUMNS = tuple(component.value for component in Component)


async def caseload(
    tx: Transaction, assessed: Sequence[AllianceAssessed], feed_days: Iterable[tuple[str, date]] = ()
) -> None:
    """Store the sessions of a batch, the highest revision of each, and drop what is older than those kept.

    The days on which each practice's ratings were assessed are stored too, for the watch over silent feeds.
    An event that arrives again, or after a newer revision, changes nothing.
    """
    if not assessed:
        return
    newest = {(one.practice_id, one.rating_id): one for one in sorted(assessed, key=lambda one: one.revision)}
    async with tx.conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO notifier.assessed_session AS known (practice_id, rating_id, revision, therapist_id,"
            f" client_id, session_at, instrument, status, {', '.join(_COLUMNS)})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (practice_id, rating_id) DO UPDATE SET revision = excluded.revision,"
            " therapist_id = excluded.therapist_id, client_id = excluded.client_id,"
            " session_at = excluded.session_at, instrument = excluded.instrument, status = excluded.status,"
            f" {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
            " WHERE known.revision < excluded.revision",
            # In the order of the key, so that two processes never wait for each other.
            [_row(newest[key]) for key in sorted(newest)],
        )
    await tx.conn.execute(
        "INSERT INTO notifier.feed_day (practice_id, day) SELECT * FROM unnest(%s::text[], %s::date[])"
        " ON CONFLICT DO NOTHING",
        [list(column) for column in zip(*sorted(feed_days), strict=True)] or [[], []],
    )
    clients = sorted({(one.practice_id, one.therapist_id, one.client_id) for one in newest.values()})
    await keep_newest(tx, "assessed_session", "s.status = ANY(%(forms)s)", clients)


async def keep_newest(
    tx: Transaction, table: str, parts: str, clients: Sequence[tuple[str, str, str]]
) -> None:
    """Delete all but the newest sessions of clients, given as (practice, therapist, client), from a table.

    As many are kept of each of the `parts`, an expression over the table's row `s`.
    """
    practices, therapists, references = (list(column) for column in zip(*clients, strict=True))
    query = f"""
        DELETE FROM notifier.{table} WHERE (practice_id, rating_id) IN (
            SELECT practice_id, rating_id FROM unnest(%(practices)s::text[], %(therapists)s::text[],
                %(references)s::text[]) AS client (practice_id, therapist_id, client_id)
            JOIN LATERAL (
                SELECT s.rating_id, row_number() OVER (PARTITION BY {parts}
                    ORDER BY s.session_at DESC, s.rating_id) AS place
                FROM notifier.{table} s WHERE s.practice_id = client.practice_id
                    AND s.therapist_id = client.therapist_id AND s.client_id = client.client_id
            ) kept ON kept.place > %(most)s)
        """
    values = {"practices": practices, "therapists": therapists, "references": references}
    given = {**values, "forms": sorted(FORM_STATUSES), "most": SESSIONS_KEPT}
    await tx.conn.execute(query.encode(), given)


def _row(one: AllianceAssessed) -> tuple[object, ...]:
    scores = [found.score if (found := one.components.get(name)) else None for name in Component]
    return (
        one.practice_id,
        one.rating_id,
        one.revision,
        one.therapist_id,
        one.client_id,
        one.session_at,
        one.instrument,
        one.status.value,
        *scores,
    )
