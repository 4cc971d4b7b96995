"""Kills services at every label on a real Kafka and compares the final tables."""
