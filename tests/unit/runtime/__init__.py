"""The runtime's pure parts."""
