"""Reads the practices of a batch, and adds those that are new."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from services.detector.domain.dated_rows import PracticeStatistics, Threshold, default_threshold
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.message_precision import AnswersByKind
from services.detector.domain.practice import KnownRows, Models, Practice, PracticeRows
from services.detector.domain.practice_defaults import MAX_AGE_DAYS
from services.detector.storage.responses import count_answers
from services.runtime.postgres.arrays import Array, texts, uuids
from services.runtime.postgres.connect import Connection

_SELECT = """
SELECT practice_id, tell_from, max_age_days, model_version, thresholds, statistics,
    observing_since IS NOT NULL AND live_from IS NULL, live_from
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
_STATISTICS = """
SELECT practice_id, version, values, valid_from
FROM detector.practice_statistics WHERE practice_id = ANY(%b) ORDER BY valid_from, version
"""

_OBSERVED = "SELECT observing_since, live_from FROM detector.practice WHERE practice_id = %s"


async def read_observed_time(
    conn: Connection, practice: str
) -> tuple[datetime | None, datetime | None] | None:
    """Return since when a practice observes, and when it went live after that; None: it does not exist.

    Since None: it has never observed.
    """
    return await (await conn.execute(_OBSERVED, (practice,))).fetchone()


async def read_practices(
    conn: Connection, ids: Iterable[str], now: datetime, models: Models, known: PracticeRows
) -> dict[str, Practice]:
    """The practices of these ids; one that nobody added is added now, with the defaults.

    A practice that is mapped to a model which is not loaded is left out.
    """
    wanted = sorted(set(ids))
    rows = await (await conn.execute(_SELECT, (wanted,), binary=True)).fetchall()
    if len(rows) < len(wanted):
        missing = sorted(set(wanted) - {row[0] for row in rows})
        await conn.execute(_INSERT, (now, now, MAX_AGE_DAYS, missing))
        rows = await (await conn.execute(_SELECT, (wanted,), binary=True)).fetchall()
    found_models = {id_: models.find(version) for id_, _, _, version, *_ in rows}
    model_of = {id_: model for id_, model in found_models.items() if model is not None}
    rows = [row for row in rows if row[0] in model_of]
    await _read_thresholds(conn, known.thresholds, {row[0]: row[4] for row in rows})
    of_readers = {row[0]: row[5] for row in rows if model_of[row[0]].uses_statistics}
    await _read_statistics(conn, known.statistics, of_readers)
    await _read_answers(conn, known.answers, wanted, now)
    found = {}
    for id_, tell_from, max_age_days, _, _, _, observing, live_from in rows:
        model = model_of[id_]
        own = (known.thresholds.get(id_) or {}).get(model.version, ())
        statistics = known.statistics.get(id_) if id_ in of_readers else None
        max_age = None if max_age_days is None else timedelta(days=max_age_days)
        default = default_threshold(model.version, model.threshold)
        answers = known.answers.get(id_) or {}
        found[id_] = Practice(
            id_, tell_from, max_age, model, own, default, statistics or (), answers, observing, live_from
        )
    return found


async def _read_thresholds(
    conn: Connection, known: KnownRows[Mapping[str, tuple[Threshold, ...]]], numbers: Mapping[str, int]
) -> None:
    ids = known.outdated(numbers)
    if not ids:
        return
    found: dict[str, dict[str, tuple[Threshold, ...]]] = {id_: {} for id_ in ids}
    for id_, model, version, value, valid_from in await (await conn.execute(_THRESHOLDS, (ids,))).fetchall():
        own = found[id_]
        own[model] = (*own.get(model, ()), Threshold(version, value, valid_from))
    for id_, rows in found.items():
        known.add(id_, numbers[id_], rows)


async def _read_statistics(
    conn: Connection, known: KnownRows[tuple[PracticeStatistics, ...]], numbers: Mapping[str, int]
) -> None:
    ids = known.outdated(numbers)
    if not ids:
        return
    found: dict[str, tuple[PracticeStatistics, ...]] = dict.fromkeys(ids, ())
    for id_, version, values, valid_from in await (await conn.execute(_STATISTICS, (ids,))).fetchall():
        found[id_] = (*found[id_], PracticeStatistics(version, tuple(values), valid_from))
    for id_, rows in found.items():
        known.add(id_, numbers[id_], rows)


async def _read_answers(
    conn: Connection, known: KnownRows[AnswersByKind], wanted: Sequence[str], now: datetime
) -> None:
    # Once a day: a share of 50 answers and more hardly moves within one.
    today = now.date().toordinal()
    ids = known.outdated(dict.fromkeys(wanted, today))
    if ids:
        for id_, answers in (await count_answers(conn, ids)).items():
            known.add(id_, today, answers)


def practice_keys(dyads: Collection[DyadWork]) -> tuple[Array, Array]:
    """Return the practices and the ids of dyads, as arrays of text and of uuid, in the order of keys."""
    return texts([dyad.who.practice_id for dyad in dyads]), uuids([dyad.id for dyad in dyads])
