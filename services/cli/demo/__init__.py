"""The demonstration: ratings streamed through the published doors, and every one of them accounted for."""
