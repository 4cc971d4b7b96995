"""What holds for a practice that asks for nothing else."""

MAX_AGE_DAYS = 21
"""Therapists are told of sessions at most so many days old."""
