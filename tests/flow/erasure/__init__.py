"""What remains of a client, a therapist or a practice that was erased: nothing."""
