"""Writes the golden file anew."""

from tests.unit.detector_core.golden.record import record

record()
