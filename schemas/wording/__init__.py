"""Sentences for therapists that more than one service shows, in every language."""
