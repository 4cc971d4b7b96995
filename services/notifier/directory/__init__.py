"""Therapists: how each is reached, and imports of them."""
