"""The `rapport` command: starts, feeds and inspects the services without importing them."""
