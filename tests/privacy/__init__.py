"""What must not leave: canary values sent through the whole system, and looked for."""
