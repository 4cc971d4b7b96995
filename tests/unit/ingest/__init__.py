"""Ingest's parts that need no network."""
