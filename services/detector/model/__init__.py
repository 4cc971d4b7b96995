"""The trained part: simulated cohorts in, a model with manifest and card out."""
