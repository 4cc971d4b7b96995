"""The pages on which a therapist signs in, reads an item and answers it."""
