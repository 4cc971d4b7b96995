"""Ingest through real HTTP, on a real or embedded Kafka."""
