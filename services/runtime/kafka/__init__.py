"""Kafka clients: options, records, producer and subscription."""
