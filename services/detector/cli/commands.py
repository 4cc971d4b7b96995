"""Adds the detector's commands to `rapport`."""

import typer

from services.detector.cli import labels, models, preview, rejections, score, thresholds


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for module in (score, thresholds, rejections, labels, models, preview):
        module.register(app)
