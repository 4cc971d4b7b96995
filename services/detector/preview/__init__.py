"""Shows a practice, from its own table of ratings, what Rapport would have told its therapists."""
