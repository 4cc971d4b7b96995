"""Defines the settings of a practice that sets none of its own."""

MAX_AGE_DAYS = 21
"""Therapists are notified of sessions at most this many days old."""
SENSITIVITIES = {"low": 2.0, "balanced": 5.0, "high": 10.0}
"""Named false-alarm budgets: flagged sessions per 100 stable rated sessions."""
