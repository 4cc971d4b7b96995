"""Makes `python -m rapport` the same as the command `rapport`."""
