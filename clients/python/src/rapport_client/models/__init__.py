"""Holds the bodies that the three services accept and answer, one module for each service."""
