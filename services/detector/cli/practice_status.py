"""Tells how a practice's ratings arrive and what becomes of them, for `rapport practices status`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from services.detector.cli.session_trace import BLOCKED_TEXTS
from services.runtime.process.cli_plugin import Connection, StatusLine

DAYS_BEFORE = 28
"""Days before the last 24 hours that tell what is usual."""

_ADDED = "SELECT added_at FROM detector.practice WHERE practice_id = %(practice)s"
# What did not take effect arrived, too; its rows have only the time at which it was read.
_ARRIVED = """
SELECT floor(extract(epoch FROM %(now)s - at) / 86400)::int, count(*), max(at)
FROM (
    SELECT accepted_at AS at FROM detector.rating WHERE practice_id = %(practice)s
    UNION ALL SELECT accepted_at FROM detector.duplicate WHERE practice_id = %(practice)s
    UNION ALL SELECT recorded_at FROM detector.blocked
        WHERE practice_id = %(practice)s AND rating_id IS NOT NULL
    UNION ALL SELECT recorded_at FROM detector.rejection WHERE tenant = %(practice)s AND replayed_at IS NULL
) AS delivery GROUP BY 1
"""
_REJECTED = """
SELECT reason, count(*) FROM detector.rejection
WHERE tenant = %(practice)s AND replayed_at IS NULL AND recorded_at > %(since)s
GROUP BY reason ORDER BY reason
"""
_BLOCKED = """
SELECT reason, count(*), min(recorded_at) FROM detector.blocked
WHERE practice_id = %(practice)s AND rating_id IS NOT NULL GROUP BY reason ORDER BY reason
"""
_OPENED = """
SELECT coalesce(kept_back, ''), count(*) FROM detector.episode_change
WHERE practice_id = %(practice)s AND change = 'opened' AND changed_at > %(since)s GROUP BY 1 ORDER BY 1
"""
_OPEN = "SELECT count(*) FROM detector.dyad WHERE practice_id = %(practice)s AND open_since IS NOT NULL"


async def practice_status(conn: Connection, practice: str, now: datetime) -> list[StatusLine]:
    """Return how the practice's ratings, rejections and episodes stand."""
    values = {"practice": practice, "now": now, "since": now - timedelta(days=1)}

    async def rows(query: str) -> list[tuple[object, ...]]:
        return await (await conn.execute(query, values)).fetchall()

    blocked = [
        f"{number} since {since:%Y-%m-%d %H:%M} {BLOCKED_TEXTS[str(reason)]}"
        for reason, number, since in await rows(_BLOCKED)
        if isinstance(since, datetime)
    ]
    ((opened_now,),) = await rows(_OPEN)
    added = await rows(_ADDED)
    return [
        StatusLine(
            "added", f"{added[0][0]:%Y-%m-%d %H:%M} UTC" if added else "never: no practice has this id"
        ),
        *_arrivals(await rows(_ARRIVED)),
        StatusLine("rejected, last 24 hours", _counted(await rows(_REJECTED)) or "none"),
        StatusLine("waiting", "; ".join(blocked) or "none"),
        StatusLine("episodes open now", str(opened_now)),
        StatusLine("opened, last 24 hours", _opened(await rows(_OPENED))),
    ]


def _arrivals(deliveries: Sequence[tuple[object, ...]]) -> list[StatusLine]:
    """Return when something last arrived, and how much of late; given (days ago, number, last)."""
    newest = [last for _, _, last in deliveries if isinstance(last, datetime)]
    if not newest:
        return [StatusLine("last arrival", "nothing was read yet")]
    by_day = {
        day: number for day, number, _ in deliveries if isinstance(day, int) and isinstance(number, int)
    }
    before = [number for day in range(1, DAYS_BEFORE + 1) if (number := by_day.get(day, 0))]
    usual = (
        f"usually {median(before):g} a day (on {len(before)} of the {DAYS_BEFORE} days before)"
        if before
        else f"none in the {DAYS_BEFORE} days before"
    )
    today = sum(number for day, number in by_day.items() if day < 1)
    return [
        StatusLine("last arrival", f"{max(newest):%Y-%m-%d %H:%M:%S} UTC"),
        StatusLine("last 24 hours", f"{today} arrived; {usual}"),
    ]


def _opened(rows: Sequence[tuple[object, ...]]) -> str:
    told = sum(number for kept, number in rows if not kept and isinstance(number, int))
    kept_back = _counted([row for row in rows if row[0]])
    return f"{told} told" + (f"; kept back: {kept_back}" if kept_back else "")


def _counted(rows: Sequence[tuple[object, ...]]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in rows)
