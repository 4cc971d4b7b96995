"""Processes one batch of Kafka records in one PostgreSQL transaction."""
