"""Trained models: what is kept of them, and which of them serve."""
