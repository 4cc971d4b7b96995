"""The runtime against a real PostgreSQL and a broker that speaks Kafka's protocol."""
