"""What practices may read back about their own ratings and episodes."""
