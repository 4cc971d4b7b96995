"""Talks to the services over HTTP."""
