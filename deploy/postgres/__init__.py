"""Migrations of PostgreSQL: one folder for each service, and the tables that all services have."""
