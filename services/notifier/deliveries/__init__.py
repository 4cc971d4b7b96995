"""Delivers queued messages, with retries."""
