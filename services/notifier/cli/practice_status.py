"""Tells how a practice's feed and the messages to its therapists stand, for `rapport practices status`."""

from datetime import datetime, timedelta

from services.runtime.process.cli_plugin import Connection, StatusLine

_SILENCE = """
SELECT last_day, usual_gap_days FROM notifier.feed_silence
WHERE practice_id = %(practice)s AND ended_on IS NULL ORDER BY last_day DESC LIMIT 1
"""
_MESSAGES = """
SELECT state IN ('pending', 'retrying'), channel, state, coalesce(reason, ''), count(*)
FROM notifier.delivery
WHERE practice_id = %(practice)s AND (state IN ('pending', 'retrying') OR finished_at > %(since)s)
GROUP BY 1, 2, 3, 4 ORDER BY 2, 3, 4
"""
_WITHOUT_ADDRESS = """
SELECT count(DISTINCT d.therapist_id) FROM notifier.decision d
LEFT JOIN notifier.therapist t USING (practice_id, therapist_id)
WHERE d.practice_id = %(practice)s AND d.channel = 'email' AND d.reason = 'no-address' AND t.address IS NULL
"""


async def practice_status(conn: Connection, practice: str, now: datetime) -> list[StatusLine]:
    """Return whether the practice's feed is silent, and what became of its messages."""
    values = {"practice": practice, "since": now - timedelta(days=1)}
    silence = await (await conn.execute(_SILENCE, values)).fetchone()
    messages = await (await conn.execute(_MESSAGES, values)).fetchall()
    row = await (await conn.execute(_WITHOUT_ADDRESS, values)).fetchone()
    without_address = row[0] if row is not None else 0
    feed = (
        f"silent: nothing since {silence[0]}; the usual gap is {silence[1]} days"
        if silence
        else "no silence noticed"
    )
    told: dict[bool, list[str]] = {True: [], False: []}
    for waits, channel, state, reason, number in messages:
        told[waits].append(f"{number} {channel} {state}" + (f" ({reason})" if reason else ""))
    return [
        StatusLine("feed", feed),
        StatusLine("messages waiting", ", ".join(told[True]) or "none"),
        StatusLine("messages ended, last 24 hours", ", ".join(told[False]) or "none"),
        StatusLine("therapists without an address", f"{without_address} with an item"),
    ]
