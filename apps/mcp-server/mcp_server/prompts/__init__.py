"""Prompts for the people who use agents, and completion of their arguments."""
