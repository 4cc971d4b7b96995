"""The published OpenAPI document of ingest and its page."""
