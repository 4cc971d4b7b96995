"""Commands that the detector lends to `rapport`."""
