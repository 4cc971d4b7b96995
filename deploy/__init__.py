"""How Rapport is run: Kafka, PostgreSQL with its migrations, containers."""
