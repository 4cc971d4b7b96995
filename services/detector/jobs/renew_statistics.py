"""Computes statistics of practices' own recent ratings, for the models that read them.

A practice with enough clients gets a new row once a week, on its day (`weekly_jobs`), whether its model reads
statistics or not: a model that is activated later finds them at once, and can be compared beforehand on what
was valid when. The row is valid from the next day on, so earlier assessments stay as they are.
"""

from datetime import UTC, date, timedelta

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.dated_rows import next_midnight
from services.detector.storage.practice_forms import read_practice_forms
from services.runtime.outbox.transaction import Transaction

RECENT_DAYS = 365

_NEWEST = """
SELECT p.practice_id, max(s.computed_at)
FROM detector.practice p LEFT JOIN detector.practice_statistics s USING (practice_id) GROUP BY 1
"""
_INSERT = """
WITH added AS (
    INSERT INTO detector.practice_statistics (practice_id, version, valid_from, computed_at, sessions_from,
        clients, forms, values)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING practice_id
)
UPDATE detector.practice SET statistics = statistics + 1 WHERE practice_id IN (SELECT practice_id FROM added)
"""


async def newest_statistics(tx: Transaction) -> dict[str, date | None]:
    """Return the day of each practice's newest statistics."""
    rows = await (await tx.conn.execute(_NEWEST)).fetchall()
    return {practice: at and at.astimezone(UTC).date() for practice, at in rows}


async def add_statistics(tx: Transaction, catalogue: Catalogue, *, practice: str) -> None:
    """Add a row of statistics for a practice, unless it has too few clients with a form.

    At most 1,000 dyads with 100 forms each are read, which takes 5 s of processor time and 45 MB.
    """
    since = tx.now - timedelta(days=RECENT_DAYS)
    forms = await read_practice_forms(tx.conn, practice, catalogue, since=since, until=tx.now)
    values = forms.statistics()
    if values is None:
        return
    valid_from = next_midnight(tx.now)
    version = f"statistics-{valid_from:%Y-%m-%dT%H:%M}"
    await tx.conn.execute(
        _INSERT,
        (practice, version, valid_from, tx.now, since, forms.clients, forms.forms, list(values)),
    )
