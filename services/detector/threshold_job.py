"""Recent risks of a practice in, a threshold of its own out, for its false-alarm budget; never in the fold.

A row is added at most once a week, once there are enough sessions, and is valid from the next day on: what
was decided before stays as it was.
"""

from datetime import datetime, time, timedelta

import msgspec

from services.detector.practices import Models
from services.detector.thresholds import for_false_alarms
from services.runtime.transaction import Transaction

ENOUGH_SESSIONS = 400
"""Below this the model's own threshold is the better guess: the budget of 5 % would rest on 20 sessions."""
RECENT_DAYS = 365
AGAIN_DAYS = 7
LOWEST, HIGHEST = 0.02, 0.98

_RISKS = """
SELECT p.practice_id, a.model_version, p.model_version, p.false_alarms,
    array_agg(a.risk) FILTER (WHERE a.may_flag), array_agg(a.risk) FILTER (WHERE NOT a.may_flag)
FROM detector.practice p JOIN detector.assessment a USING (practice_id)
WHERE a.risk IS NOT NULL AND a.session_at > %(since)s AND NOT EXISTS (
    SELECT FROM detector.threshold t WHERE t.practice_id = p.practice_id AND t.computed_at > %(computed)s
        AND t.model_version = a.model_version)
GROUP BY 1, 2, 3, 4 HAVING count(*) >= %(enough)s
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
            value = min(HIGHEST, max(LOWEST, for_false_alarms(risks, never or (), share)))
            sessions = len(risks) + len(never or ())
            sources = {"sessions": sessions, "days": RECENT_DAYS, "false_alarms": share}
            valid_from = next_midnight(tx.now)
            name = f"own-{valid_from:%Y-%m-%d}-{version}"
            packed = msgspec.json.encode(sources).decode()
            await tx.conn.execute(_INSERT, (practice, name, version, value, valid_from, tx.now, packed))


def next_midnight(now: datetime) -> datetime:
    """The first moment of the next day, in the zone of `now`."""
    return datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
