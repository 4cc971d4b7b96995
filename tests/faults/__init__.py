"""Killing and breaking, on a Kafka that keeps its records: the same table at the end."""
