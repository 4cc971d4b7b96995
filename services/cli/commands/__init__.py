"""One file per command; each imports what it alone needs when it runs, so that `rapport --help` is quick."""
