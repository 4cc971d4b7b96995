"""Trains the shipped model and corrects it with therapists' answers."""
