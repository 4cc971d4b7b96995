"""Says of every table of the notifier how long its rows are kept."""

from services.runtime.postgres.retention import RetentionRule, audit_rule, rejection_rule, rule
from services.runtime.process.cli_plugin import RUNTIME_TABLES

UNTIL_CLIENT_ERASED = frozenset(
    {
        "episode", "change", "item", "answer", "answered_before", "decision", "share",
        "assessed_session", "measure", "next_session", "client_number", "client_name", "outbox",
    }
)  # fmt: skip
"""What a therapist was told about a course of therapy, and what waits: it goes with its client."""
FOR_GOOD = RUNTIME_TABLES | {
    "practice", "therapist", "own_settings", "client_counter", "feed_day", "feed_silence", "migration",
}  # fmt: skip
"""A few rows for each partition, practice, therapist or erasure."""


def retention_rules(*, audit_days: int, rejection_days: int, sign_in_days: int) -> tuple[RetentionRule, ...]:
    """Return the rules for the rows that are deleted after some days."""
    closed = "purpose = 'sign-in' AND state IN ('sent', 'failed', 'cancelled') AND finished_at < %(before)s"
    return (
        audit_rule("notifier", audit_days),
        rejection_rule("notifier", rejection_days),
        rule("notifier.session", sign_in_days, "expires_at < %(before)s"),
        rule("notifier.sign_in_link", sign_in_days, "expires_at < %(before)s"),
        rule("notifier.link_request", sign_in_days, "asked_at < %(before)s"),
        # Those about an item are part of the record of what a therapist was told.
        rule("notifier.delivery", sign_in_days, closed),
    )
