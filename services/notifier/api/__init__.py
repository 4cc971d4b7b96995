"""The notifier's published doors: the directory, and what was told or not."""
