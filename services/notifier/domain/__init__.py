"""Values and rules of the notifier: no SQL, no clock, no I/O."""
