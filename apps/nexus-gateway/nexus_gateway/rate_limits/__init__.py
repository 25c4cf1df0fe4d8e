"""Limits on how many requests somebody may send: which there are, and where they are counted."""
