"""The Python client against running services."""
