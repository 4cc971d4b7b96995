"""Changes of episodes come in; a therapist is told, once, calmly; answers go out."""
