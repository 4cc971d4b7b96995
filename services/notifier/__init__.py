"""Tells therapists about changes of episodes, and publishes their answers."""
