"""The ways a message can travel; a channel only says whether trying again is worth it."""
