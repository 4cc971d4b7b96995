"""The contracts: ratings, events, topics, identities and instruments."""
