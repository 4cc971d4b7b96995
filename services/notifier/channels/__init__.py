"""The ways to a therapist, one file each. A channel says only whether to try again, and why."""
