"""What was found, for those who sent the ratings: read-only doors over the detector's own tables."""
