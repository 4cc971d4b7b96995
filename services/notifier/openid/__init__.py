"""Sign-in through a practice's own identity provider (OpenID Connect)."""
