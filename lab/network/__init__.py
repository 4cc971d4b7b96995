"""Trains the recurrent network on fresh simulated worlds; needs JAX, which nothing else needs."""
