"""The published OpenAPI document of ingest and its page."""

from services.ingest.openapi.published import document

__all__ = ["document"]
