"""Inbox items, the answers to them, and the log of who read them."""
