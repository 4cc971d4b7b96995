"""Tests that personal data and secrets do not leave the system."""
