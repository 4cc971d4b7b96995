"""Computes practices' own thresholds from their recent risks, for the share of false alarms that they accept.

A practice with enough sessions gets a new threshold at most once a week. It is valid from the next day on,
so earlier decisions stay as they are. A practice that asks for another sensitivity gets a starting threshold
within minutes: its last threshold, or the model's, moved as far as the model's own moves between the two
shares.
"""

from datetime import timedelta

import msgspec

from services.detector.domain.dated_rows import START_AFTER, Threshold, next_midnight
from services.detector.domain.practice import Models
from services.detector.domain.thresholds import (
    DEFAULT_FALSE_ALARMS,
    shifted_threshold,
    threshold_for_false_alarms,
)
from services.runtime.outbox.transaction import Transaction

ENOUGH_SESSIONS = 400
"""With fewer, the model's own threshold is better: 5 % of 400 sessions are only 20 sessions."""
RECENT_DAYS = 365
RENEWAL_DAYS = 7
LOWEST, HIGHEST = 0.02, 0.98

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
    """Add a threshold for every practice that has enough recent sessions and no recent threshold."""
    values = {
        "since": tx.now - timedelta(days=RECENT_DAYS),
        "computed": tx.now - timedelta(days=RENEWAL_DAYS),
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
    """Add a starting threshold for every practice whose accepted share of false alarms has changed."""
    values = {"default_model": models.default.version, "default_share": DEFAULT_FALSE_ALARMS}
    rows = await (await tx.conn.execute(_LAST, values)).fetchall()
    for practice, mapped, share, last, last_share in rows:
        if not models.has(mapped):
            continue  # the practice's next rating halts the consumer; the other practices need not wait
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
