"""The directory: how therapists are reached, and what their practices have chosen."""
