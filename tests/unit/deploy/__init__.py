"""The image's own small programs."""
