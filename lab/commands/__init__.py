"""The commands `rapport simulate`, `train`, `evaluate` and `compare`."""
