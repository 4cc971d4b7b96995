"""Reads the practices of a batch, and adds those that are new."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from services.detector.domain.practice import Models, Practice, ThresholdBook
from services.detector.domain.practice_defaults import MAX_AGE_DAYS
from services.detector.domain.thresholds import Threshold, default_threshold
from services.runtime.postgres.connect import Connection

_SELECT = """
SELECT practice_id, tell_from, max_age_days, model_version, thresholds
FROM detector.practice WHERE practice_id = ANY(%b)
"""
_INSERT = """
INSERT INTO detector.practice (practice_id, added_at, tell_from, max_age_days)
SELECT id, %s, %s, %s FROM unnest(%b::text[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
"""
_THRESHOLDS = """
SELECT practice_id, model_version, version, value, valid_from
FROM detector.threshold WHERE practice_id = ANY(%b) ORDER BY valid_from, version
"""


async def read_practices(
    conn: Connection, ids: Iterable[str], now: datetime, models: Models, book: ThresholdBook
) -> dict[str, Practice]:
    """The practices of these ids; one that nobody added is added now, with the defaults.

    Raises:
        Halt: one is mapped to a model that is not loaded.
    """
    wanted = sorted(set(ids))
    rows = await (await conn.execute(_SELECT, (wanted,), binary=True)).fetchall()
    if len(rows) < len(wanted):
        missing = sorted(set(wanted) - {row[0] for row in rows})
        await conn.execute(_INSERT, (now, now, MAX_AGE_DAYS, missing))
        rows = await (await conn.execute(_SELECT, (wanted,), binary=True)).fetchall()
    changed = [id_ for id_, *_, count in rows if count and book.known.get(id_, (0,))[0] != count]
    if changed:
        await _read_thresholds(conn, changed, {row[0]: row[4] for row in rows}, book)
    found = {}
    for id_, tell_from, max_age_days, version, count in rows:
        model = models.of(version)
        own = book.known[id_][1].get(model.version, ()) if count else ()
        max_age = None if max_age_days is None else timedelta(days=max_age_days)
        default = default_threshold(model.version, model.threshold)
        found[id_] = Practice(id_, tell_from, max_age, model, own, default)
    return found


async def _read_thresholds(
    conn: Connection, ids: list[str], counts: Mapping[str, int], book: ThresholdBook
) -> None:
    by_practice: dict[str, dict[str, tuple[Threshold, ...]]] = {id_: {} for id_ in ids}
    for id_, model, version, value, valid_from in await (await conn.execute(_THRESHOLDS, (ids,))).fetchall():
        own = by_practice[id_]
        own[model] = (*own.get(model, ()), Threshold(version, value, valid_from))
    for id_ in ids:
        book.known[id_] = (counts[id_], by_practice[id_])
