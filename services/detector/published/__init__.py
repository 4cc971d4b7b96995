"""What is published about a dyad: its assessments, and its episodes with the facts that marks show."""
