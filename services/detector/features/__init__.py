"""State-space filter and running statistics over a client's forms, for many dyads at a time."""
