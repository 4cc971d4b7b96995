"""Makes and measures the model; the services never import it."""
