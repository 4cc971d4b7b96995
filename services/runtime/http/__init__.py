"""HTTP server, health, credentials, paging and error responses."""
