"""Inbox items, the answers to them, and who read them."""
