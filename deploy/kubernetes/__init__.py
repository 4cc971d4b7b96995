"""Manifests for Kubernetes, and the programs that make and use what is in a cluster beside them."""
