"""Recent risks of a practice in, a threshold of its own out, for its false-alarm budget; never in the fold.

A row is added at most once a week, once there are enough sessions, and is valid from the next day on: what
was decided before stays as it was. A practice that wants another sensitivity gets a row to start with within
minutes: its last threshold, or the model's, moved as far as the model's own moves for that budget.
"""

from datetime import datetime, time, timedelta

import msgspec

from services.detector.domain.practice import Models
from services.detector.domain.thresholds import (
    DEFAULT_FALSE_ALARMS,
    Threshold,
    shifted_threshold,
    threshold_for_false_alarms,
)
from services.runtime.outbox.transaction import Transaction

ENOUGH_SESSIONS = 400
"""Below this the model's own threshold is the better guess: the budget of 5 % would rest on 20 sessions."""
RECENT_DAYS = 365
AGAIN_DAYS = 7
LOWEST, HIGHEST = 0.02, 0.98
START_AFTER = timedelta(minutes=5)
"""Longer than any transaction that may still be at work with the rows from before."""

_RISKS = """
SELECT p.practice_id, a.model_version, p.model_version, p.false_alarms,
    array_agg(a.risk) FILTER (WHERE a.may_flag), array_agg(a.risk) FILTER (WHERE NOT a.may_flag)
FROM detector.practice p JOIN detector.assessment a USING (practice_id)
WHERE a.risk IS NOT NULL AND a.session_at > %(since)s AND NOT EXISTS (
    SELECT FROM detector.threshold t WHERE t.practice_id = p.practice_id AND t.computed_at > %(computed)s
        AND t.model_version = a.model_version AND t.sources ? 'sessions'
        AND (t.sources ->> 'false_alarms')::double precision = p.false_alarms)
GROUP BY 1, 2, 3, 4 HAVING count(*) >= %(enough)s
"""
_LAST = """
SELECT p.practice_id, p.model_version, p.false_alarms, t.value,
    coalesce((t.sources ->> 'false_alarms')::double precision, %(default_share)s)
FROM detector.practice p LEFT JOIN LATERAL (
    SELECT * FROM detector.threshold t WHERE t.practice_id = p.practice_id
        AND t.model_version = coalesce(p.model_version, %(default_model)s)
    ORDER BY t.computed_at DESC, t.version DESC LIMIT 1
) t ON true
ORDER BY p.practice_id
"""
_INSERT = """
WITH added AS (
    INSERT INTO detector.threshold (practice_id, version, model_version, value, valid_from, computed_at,
        sources)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING practice_id
)
UPDATE detector.practice SET thresholds = thresholds + 1 WHERE practice_id IN (SELECT practice_id FROM added)
"""


async def renew_thresholds(tx: Transaction, models: Models) -> None:
    """Add a row for every practice that has enough recent sessions and no recent row."""
    values = {
        "since": tx.now - timedelta(days=RECENT_DAYS),
        "computed": tx.now - timedelta(days=AGAIN_DAYS),
        "enough": ENOUGH_SESSIONS,
    }
    rows = await (await tx.conn.execute(_RISKS, values)).fetchall()
    for practice, version, mapped, share, risks, never in rows:
        if version == models.of(mapped).version and risks:
            value = min(HIGHEST, max(LOWEST, threshold_for_false_alarms(risks, never or (), share)))
            sessions = len(risks) + len(never or ())
            sources: dict[str, object] = {
                "sessions": sessions,
                "days": RECENT_DAYS,
                "false_alarms": share,
            }
            new = Threshold("own", value, next_midnight(tx.now))
            await _add(tx, practice, version, new, sources)


async def start_thresholds(tx: Transaction, models: Models) -> None:
    """Add a row to start with for every practice that wants another budget than its last row was made for."""
    values = {"default_model": models.default.version, "default_share": DEFAULT_FALSE_ALARMS}
    rows = await (await tx.conn.execute(_LAST, values)).fetchall()
    for practice, mapped, share, last, last_share in rows:
        if not models.has(mapped):
            continue  # its first rating says so, and halts; the others need not wait for it
        model = models.of(mapped)
        reference = model.reference
        if reference is None or share == last_share:
            continue
        start = shifted_threshold(
            model.threshold if last is None else last,
            reference.threshold_for(100 * last_share),
            reference.threshold_for(100 * share),
        )
        sources = {"start": reference.model_version, "false_alarms": share}
        held = min(HIGHEST, max(LOWEST, start))
        await _add(tx, practice, model.version, Threshold("start", held, tx.now + START_AFTER), sources)


async def _add(
    tx: Transaction, practice: str, model: str, new: Threshold, sources: dict[str, object]
) -> None:
    name = f"{new.version}-{new.valid_from:%Y-%m-%dT%H:%M}-{model}"
    packed = msgspec.json.encode(sources).decode()
    await tx.conn.execute(_INSERT, (practice, name, model, new.value, new.valid_from, tx.now, packed))


def next_midnight(now: datetime) -> datetime:
    """The first moment of the next day, in the zone of `now`."""
    return datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
