"""The `rapport` command: starts, feeds, asks and explains the services, and imports none of them."""
