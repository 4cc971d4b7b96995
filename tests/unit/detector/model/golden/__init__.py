"""Golden histories: recorded forms with what the shipped model says of them.

After a change that is meant: `python -m tests.unit.detector.model.golden`, and review the difference.
"""
