"""Reads the recent forms of a practice, some dyads at a time, so that little memory is needed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.form import Form, form_matrix, forms_of
from services.detector.features.practice_forms import MOST_FORMS, PracticeForms
from services.detector.storage.ratings import COLUMNS, version_of
from services.runtime.postgres.arrays import uuids
from services.runtime.postgres.connect import Connection

MOST_DYADS = 1_000
"""The most recently active dyads of a practice that are read."""
_AT_ONCE = 20
"""Dyads read together: with `MOST_FORMS` of each, 2,000 ratings are held at a time."""

_NEWEST_SESSIONS = 50_000
"""The dyads are found among these sessions: 50 of each."""

_DYADS = """
SELECT dyad_id FROM (
    SELECT dyad_id, session_at FROM detector.assessment
    WHERE practice_id = %(practice)s AND risk IS NOT NULL
        AND session_at > %(since)s AND session_at <= %(until)s
    ORDER BY session_at DESC LIMIT %(sessions)s
) newest GROUP BY dyad_id ORDER BY max(session_at) DESC, dyad_id LIMIT %(most)s
"""
_RATINGS = f"""
SELECT {COLUMNS} FROM detector.dyad d CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v
    WHERE v.practice_id = d.practice_id AND v.client_id = d.client_id AND v.dyad_id = d.dyad_id
        AND v.current AND NOT v.measure AND v.status IN ('rated', 'declined')
        AND v.session_at > %(since)s AND v.session_at <= %(until)s
    ORDER BY v.session_at DESC, v.session_id COLLATE "C" DESC, v.instrument COLLATE "C" DESC LIMIT %(most)s
) r WHERE d.practice_id = %(practice)s AND d.dyad_id = ANY(%(dyads)b::uuid[])
"""


async def read_practice_forms(
    conn: Connection, practice: str, catalogue: Catalogue, *, since: datetime, until: datetime
) -> PracticeForms:
    """Return the forms of sessions after `since`, at most until `until`, of the `MOST_DYADS` newest dyads.

    Only current ratings of sessions that took place count. A rating that cannot be used has none either.
    """
    period = {"practice": practice, "since": since, "until": until}
    newest = period | {"sessions": _NEWEST_SESSIONS, "most": MOST_DYADS}
    rows = await (await conn.execute(_DYADS, newest)).fetchall()
    dyads = [dyad for (dyad,) in rows]
    found = PracticeForms()
    for begin in range(0, len(dyads), _AT_ONCE):
        some = dyads[begin : begin + _AT_ONCE]
        values = period | {"most": MOST_FORMS, "dyads": uuids(some)}
        ratings = await (await conn.execute(_RATINGS, values, binary=True)).fetchall()
        # Off the event loop: a thousand ratings take some 50 ms.
        for dyad, columns in await asyncio.to_thread(_columns_by_dyad, ratings, catalogue):
            found.add(dyad, columns)
    return found


def _columns_by_dyad(
    rows: Sequence[tuple[Any, ...]], catalogue: Catalogue
) -> list[tuple[DyadId, NDArray[np.float64]]]:
    versions = [version_of(row) for row in rows]
    by_dyad: dict[DyadId, list[Form]] = {}
    for version, form in zip(versions, forms_of([v.rating for v in versions], catalogue), strict=True):
        if isinstance(form, Form):
            by_dyad.setdefault(version.dyad_id, []).append(form)
    return [
        (dyad, form_matrix(sorted(forms, key=lambda form: form.order))) for dyad, forms in by_dyad.items()
    ]
