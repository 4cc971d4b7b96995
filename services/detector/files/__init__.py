"""Scores a table of ratings without broker or database."""
