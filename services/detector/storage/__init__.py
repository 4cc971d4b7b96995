"""SQL that several stages share."""
