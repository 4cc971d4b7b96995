"""The results API: read-only endpoints over the detector's tables."""
