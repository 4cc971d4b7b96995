"""The channels over which therapists are reached, one module each."""
