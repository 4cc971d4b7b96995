"""Stores events with the state they follow from, publishes them, and records positions."""
