"""Tests of the runtime with a real PostgreSQL and a broker that speaks Kafka's protocol."""
