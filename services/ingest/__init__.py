"""Receives ratings over HTTP, publishes them to Kafka, and accepts each once Kafka has acknowledged it."""
