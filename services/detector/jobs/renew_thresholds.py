"""Computes practices' own thresholds from their recent risks, for the share of false alarms that they accept.

A practice with enough sessions gets a new threshold once a week, on its day (`weekly_jobs`). It is valid from
the next day on, so earlier decisions stay as they are. A practice that asks for another sensitivity gets a
starting threshold within minutes: its last threshold, or the model's, moved as far as the model's own moves
between the two shares.
"""

from datetime import UTC, date, timedelta

import msgspec

from services.detector.domain.dated_rows import START_AFTER, Threshold, next_midnight
from services.detector.domain.practice import Models
from services.detector.domain.thresholds import (
    DEFAULT_FALSE_ALARMS,
    RiskBucket,
    model_threshold,
    shifted_threshold,
    shrunk_threshold,
    threshold_of_histogram,
)
from services.runtime.outbox.transaction import Transaction

ENOUGH_SESSIONS = 400
"""With fewer, the model's own threshold is better: 5 % of 400 sessions are only 20 sessions."""
RECENT_DAYS = 365
MOST_SESSIONS = 20_000
"""The newest sessions of a practice that are read: at 5 % they hold a thousand that are flagged."""
BUCKETS = 2_000
LOWEST, HIGHEST = 0.02, 0.98

_NEWEST = """
SELECT p.practice_id, p.model_version, max(t.computed_at)
FROM detector.practice p LEFT JOIN detector.threshold t ON t.practice_id = p.practice_id
    AND t.model_version = coalesce(p.model_version, %(default_model)s) AND t.sources ? 'sessions'
    AND (t.sources ->> 'false_alarms')::double precision = p.false_alarms
GROUP BY 1, 2
"""
_PRACTICE = "SELECT model_version, false_alarms FROM detector.practice WHERE practice_id = %s"
# One row for all that may not be flagged, whose bucket is null, and one for each bucket of the others.
_HISTOGRAM = """
WITH newest AS (
    SELECT risk, may_flag, model_version FROM detector.assessment
    WHERE practice_id = %(practice)s AND session_at > %(since)s AND session_at <= %(until)s
    ORDER BY session_at DESC, dyad_id, session_id, instrument LIMIT %(most)s
), bucketed AS (
    SELECT risk, CASE WHEN may_flag THEN width_bucket(risk, 0, 1, %(buckets)s) END AS bucket
    FROM newest WHERE risk IS NOT NULL AND model_version = %(model)s
), topped AS (
    SELECT risk, bucket, max(risk) OVER (PARTITION BY bucket) AS highest FROM bucketed
)
SELECT bucket, count(*), min(risk), max(risk), sum(1 - risk), sum(1 - risk) FILTER (WHERE risk = highest)
FROM topped GROUP BY bucket
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


async def newest_thresholds(tx: Transaction, models: Models) -> dict[str, date | None]:
    """Return the day of each practice's newest threshold for its model and share of false alarms.

    Practices whose model this process has not loaded are left out.
    """
    rows = await (await tx.conn.execute(_NEWEST, {"default_model": models.default.version})).fetchall()
    return {
        practice: at and at.astimezone(UTC).date() for practice, mapped, at in rows if models.find(mapped)
    }


async def add_threshold(tx: Transaction, models: Models, *, practice: str) -> None:
    """Add a threshold for a practice, unless its model has scored too few of its recent sessions.

    PostgreSQL counts the risks of the practice's newest `MOST_SESSIONS` sessions in `BUCKETS` buckets, so
    this process holds at most that many rows, whatever the practice sends. Before it is drawn towards the
    model's own (`shrunk_threshold`), the threshold equals the one of the risks themselves within the width of
    a bucket.
    """
    row = await (await tx.conn.execute(_PRACTICE, (practice,))).fetchone()
    found = None if row is None else models.find(row[0])
    if row is None or found is None:
        return  # erased, or mapped to a model that is not loaded, since
    share, model = row[1], found.version
    period = {"since": tx.now - timedelta(days=RECENT_DAYS), "until": tx.now, "most": MOST_SESSIONS}
    values = {"practice": practice, "model": model, "buckets": BUCKETS, **period}
    rows = await (await tx.conn.execute(_HISTOGRAM, values)).fetchall()
    sessions = sum(count for _, count, *_ in rows)
    buckets = [RiskBucket(*numbers) for bucket, _, *numbers in rows if bucket is not None]
    if sessions < ENOUGH_SESSIONS or not buckets:
        return
    never = sum(numbers[2] for bucket, _, *numbers in rows if bucket is None)
    of_model = model_threshold(found.threshold, found.reference, share)
    own = shrunk_threshold(threshold_of_histogram(buckets, never, share), of_model, sessions)
    value = min(HIGHEST, max(LOWEST, own))
    sources: dict[str, object] = {"sessions": sessions, "days": RECENT_DAYS, "false_alarms": share}
    await _add(tx, practice, model, Threshold("own", value, next_midnight(tx.now)), sources)


async def start_thresholds(tx: Transaction, models: Models) -> None:
    """Add a starting threshold for every practice whose accepted share of false alarms has changed."""
    values = {"default_model": models.default.version, "default_share": DEFAULT_FALSE_ALARMS}
    rows = await (await tx.conn.execute(_LAST, values)).fetchall()
    for practice, mapped, share, last, last_share in rows:
        model = models.find(mapped)
        if model is None:
            continue  # the practice's ratings wait; the other practices need not
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
