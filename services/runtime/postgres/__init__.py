"""PostgreSQL connections, arrays and migrations."""
