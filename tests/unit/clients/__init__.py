"""The Python client without services: what it was generated from, and how it sends again."""
