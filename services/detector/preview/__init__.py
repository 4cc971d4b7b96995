"""A practice's own table in, one page out: what Rapport would have told over that history."""
