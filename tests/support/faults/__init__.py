"""Breaks a running system on purpose and checks from a history file what became of every rating."""
