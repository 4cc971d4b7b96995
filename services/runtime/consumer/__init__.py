"""Consumes batches of Kafka records with the order of effects that loses nothing."""
