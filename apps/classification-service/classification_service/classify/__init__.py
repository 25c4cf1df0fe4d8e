"""Codes for texts."""
