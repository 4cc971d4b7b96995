"""The notifier's published API: the directory of therapists, and what was sent or held back."""
