"""Answers that were made before, in Redis."""
