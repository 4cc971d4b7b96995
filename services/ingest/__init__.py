"""Ratings come in over HTTP and leave as records that Kafka has acknowledged."""
