"""The contracts: what a rating is, which events flow, on which topics, under which identities."""
