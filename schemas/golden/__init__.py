"""Golden events: one folder for each type and version, one file for each shape ever published."""
