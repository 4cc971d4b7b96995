"""Tests the checker that every fault test ends in."""
