"""HTTP server, health, credentials and error responses."""
