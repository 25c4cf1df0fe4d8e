"""Workflows: versions that never change, and what their definitions may say."""
