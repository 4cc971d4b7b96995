"""Benchmarks that print raw runs, medians and ratios; no test asserts their results."""
