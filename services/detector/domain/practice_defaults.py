"""What holds for a practice that asks for nothing else."""

MAX_AGE_DAYS = 21
"""Therapists are told of sessions at most so many days old."""
SENSITIVITIES = {"low": 2.0, "balanced": 5.0, "high": 10.0}
"""What a practice may say instead of a number: flagged of 100 stable rated sessions."""
