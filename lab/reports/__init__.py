"""Renders measured results as tables, plots, pages and the model card."""
