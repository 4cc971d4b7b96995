"""Loads the shipped model and assesses forms with it; the lab trains it."""
