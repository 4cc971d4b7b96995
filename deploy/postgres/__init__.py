"""PostgreSQL's tables: one folder of migrations per service, and the tables that all services have."""
