"""Writes the golden file anew."""

from tests.unit.detector.model.golden.record import record

record()
