"""Tests of the programs in the image."""
