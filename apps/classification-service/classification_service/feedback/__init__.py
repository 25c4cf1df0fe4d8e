"""Codes that people chose: each counts at once, and says how often the models are right."""
