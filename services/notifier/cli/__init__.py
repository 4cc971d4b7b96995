"""Commands that the notifier lends to `rapport`."""
