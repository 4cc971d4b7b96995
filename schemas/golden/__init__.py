"""Golden events: one folder per type and version, one file per shape ever published."""
