"""Administers topics, practices and clusters, and diagnoses a running system."""
