"""Says of every table of the detector how long its rows are kept."""

from services.runtime.postgres.retention import RetentionRule, audit_rule, rejection_rule
from services.runtime.process.cli_plugin import RUNTIME_TABLES

UNTIL_CLIENT_ERASED = frozenset(
    {
        "dyad", "rating", "duplicate", "assessment", "episode", "episode_change", "response", "blocked",
        "published_before", "client_name", "outbox",
    }
)  # fmt: skip
"""The record of a course of therapy, and what waits: it goes with its client, or when it was done."""
FOR_GOOD = RUNTIME_TABLES | {
    "practice",
    "threshold",
    "practice_statistics",
    "model_activation",
    "renewal",
    "sweep",
    "generation",
    "log_cluster",
    "migration",
}
"""A few rows for each partition, practice, week or erasure, which say how everything else came about."""


def retention_rules(*, audit_days: int, rejection_days: int) -> tuple[RetentionRule, ...]:
    """Return the rules for the rows that are deleted after some days."""
    return audit_rule("detector", audit_days), rejection_rule("detector", rejection_days)
