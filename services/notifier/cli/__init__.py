"""Commands that the notifier adds to `rapport`."""
