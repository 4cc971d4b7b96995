"""The instruments: definitions as data in, catalogue and scores out. No item's wording is shipped."""
