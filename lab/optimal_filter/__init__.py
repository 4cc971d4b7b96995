"""Computes the rupture probability given the simulator's true parameters: the upper bound of any detector."""
