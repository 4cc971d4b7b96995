"""The detector's pure core: forms in, risks out."""
