"""The picture of a client's marks, drawn alike on every page."""
