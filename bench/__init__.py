"""Benchmarks: medians, ratios and raw runs; nothing here is asserted in a test."""
