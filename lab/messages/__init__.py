"""Judges messages in simulated practices: whether their statements hold, and how often each kind is right."""
