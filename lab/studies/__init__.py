"""Studies, one question each, that change nothing in the product."""
