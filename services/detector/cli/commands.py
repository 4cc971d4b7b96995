"""Adds the detector's commands to `rapport`."""

import typer

from services.detector.cli import labels, models, observed, preview, score, statistics, thresholds


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for module in (score, thresholds, statistics, labels, models, preview, observed):
        module.register(app)
