"""Settings, log, metrics, clock, errors and back-off of every process."""
