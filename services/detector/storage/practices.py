"""The practices of a batch: what they want to be told, which model scores them, their own thresholds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.detector.domain.detector import Detector
from services.detector.domain.episode_changes import AlertWindow
from services.detector.domain.practice_defaults import MAX_AGE_DAYS
from services.detector.domain.thresholds import Threshold, default_threshold
from services.runtime.process.errors import Halt

Connection = AsyncConnection[TupleRow]

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


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice as this transaction sees it."""

    id: str
    tell_from: datetime | None
    max_age: timedelta | None
    model: Detector
    thresholds: tuple[Threshold, ...]
    """Its own for this model, in the order in which they become valid."""
    default: Threshold

    def alert_window(self, now: datetime) -> AlertWindow:
        """What is told to its therapists, now."""
        return AlertWindow(self.tell_from, self.max_age, now)


class Models:
    """The loaded models by version; one of them scores every practice that asks for none."""

    def __init__(self, default: Detector, *others: Detector) -> None:
        self.default = default
        self._by_version = {model.version: model for model in (*others, default)}

    def has(self, version: str | None) -> bool:
        """Whether `of` finds it."""
        return version is None or version in self._by_version

    def of(self, version: str | None) -> Detector:
        """The model of that version.

        Raises:
            Halt: this process has not loaded it.
        """
        if version is None:
            return self.default
        if version not in self._by_version:
            raise Halt(
                f"a practice is mapped to model {version}, which this process has not loaded: add its folder"
                " to DETECTOR_OTHER_MODEL_DIRS, or map the practice to another one (rapport models activate)"
            )
        return self._by_version[version]


@dataclass(slots=True)
class ThresholdBook:
    """Thresholds read before. Rows are only added, so their number tells whether there are new ones."""

    known: dict[str, tuple[int, Mapping[str, tuple[Threshold, ...]]]] = field(default_factory=dict)


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
