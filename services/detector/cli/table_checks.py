"""Checks the detector's tables for `rapport doctor`."""

from datetime import UTC, datetime, timedelta

from services.runtime.postgres.audit_months import check_audit_months
from services.runtime.process.cli_plugin import CheckResult, Connection, Verdict

_STATE = """
SELECT (SELECT count(*) FROM detector.outbox WHERE written_at < now() - interval '5 minutes'),
    (SELECT count(*) FROM detector.rejection WHERE recorded_at > now() - interval '1 day'),
    (SELECT min(day) FROM detector.sweep),
    (SELECT count(*) FROM detector.dyad WHERE open_since IS NOT NULL),
    (SELECT coalesce(sum(next_offset - from_offset), 0) FROM detector.unaccounted),
    (SELECT count(*) FROM detector.blocked WHERE reason = 'session-in-other-dyad'),
    (SELECT string_agg(DISTINCT practice_id, ', ') FROM detector.blocked WHERE reason = 'model-not-loaded'),
    (SELECT count(*) FROM detector.published_before),
    (SELECT string_agg(partition::text, ', ' ORDER BY partition) FROM detector.heartbeat
        WHERE minute < to_char(now() AT TIME ZONE 'utc' - interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    ), (SELECT count(*) FROM detector.heartbeat)
"""
_NOTHING = (0, 0, None, 0, 0, 0, None, 0, None, 0)


async def check(conn: Connection) -> list[CheckResult]:
    """Check that events are published, count rejections of the last day, and check that the sweep runs."""
    from services.detector.storage.sandboxes import LATE, longest_ago

    row = await (await conn.execute(_STATE)).fetchone()
    waiting, rejected, swept, opened, unaccounted, blocked, unscored, unknown, silent, beats = row or _NOTHING
    today = datetime.now().astimezone().date()
    late = swept is not None and today - swept > timedelta(days=2)
    emptied = await longest_ago(conn)
    kept = emptied is not None and datetime.now(UTC) - emptied > LATE
    return [
        CheckResult(
            "detector outbox",
            Verdict.BAD if waiting else Verdict.GOOD,
            f"{waiting} events have waited for more than 5 minutes",
            "check that the detector runs and Kafka answers" if waiting else "",
        ),
        CheckResult(
            "rejected ratings",
            Verdict.NOTICE if rejected else Verdict.GOOD,
            f"{rejected} records were rejected in the last 24 hours",
            "see `rapport rejected list`; `rapport rejected replay` publishes them again" if rejected else "",
        ),
        CheckResult(
            "accepted ratings",
            Verdict.BAD if unaccounted else Verdict.GOOD,
            f"{unaccounted} records were passed over or are missing in the log",
            "see docs/runbooks/ReconciliationGap.md" if unaccounted else "",
        ),
        CheckResult(
            "blocked ratings",
            Verdict.BAD if unscored else Verdict.NOTICE if blocked else Verdict.GOOD,
            f"no detector has loaded the model of {unscored}"
            if unscored
            else f"{blocked} ratings wait until their session is taken back elsewhere",
            "set DETECTOR_OTHER_MODEL_DIRS, or `rapport models activate`"
            if unscored
            else "the practice withdraws the rating that was filed first"
            if blocked
            else "",
        ),
        CheckResult(
            "restored database",
            Verdict.NOTICE if unknown else Verdict.GOOD,
            f"{unknown} published events are not in this database; their clients are decided again",
            "wait until everything accepted was read and the sweep has run" if unknown else "",
        ),
        CheckResult(
            "heartbeats",
            Verdict.BAD if silent else Verdict.GOOD,
            f"the last one of partition {silent} came through more than 5 minutes ago"
            if silent
            else f"the last ones of {beats} partitions came through within the last 5 minutes"
            if beats
            else "none has come through yet",
            "check that ingest and detector run; see docs/runbooks/HeartbeatMissing.md" if silent else "",
        ),
        CheckResult(
            "daily sweep",
            Verdict.BAD if late else Verdict.GOOD,
            f"last complete on {swept}; {opened} episodes open" if swept else "has not run yet",
            "check that a detector owns every partition" if late else "",
        ),
        CheckResult(
            "sandboxes",
            Verdict.BAD if kept else Verdict.GOOD,
            "there is none"
            if emptied is None
            else f"all are empty since {emptied:%Y-%m-%d %H:%M} UTC or later, but for what came after that",
            "let `rapport sandboxes erase` run every night; see docs/operating.md, Sandboxes" if kept else "",
        ),
        await check_audit_months(conn, "detector"),
    ]
