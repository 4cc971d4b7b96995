"""Values and rules of the detector: no SQL, no clock, no I/O."""
