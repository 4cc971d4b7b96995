"""Tables of ratings as practices' own programs write them, read into ratings as Rapport takes them."""
