"""Measures a model and the rules it competes with."""
