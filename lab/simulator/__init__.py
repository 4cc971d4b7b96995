"""Simulates clients, therapists and practices whose ruptures are known."""
