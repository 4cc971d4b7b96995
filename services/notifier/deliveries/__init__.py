"""Delivers queued e-mails and webhooks, with retries."""
