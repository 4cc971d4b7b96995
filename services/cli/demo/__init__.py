"""Demonstrates the system: streams ratings through the published interfaces and accounts for each of them."""
