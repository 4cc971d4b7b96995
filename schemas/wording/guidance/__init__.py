"""What a therapist may ask, do and avoid, by what the marks show, with its evidence; and who reads it."""
