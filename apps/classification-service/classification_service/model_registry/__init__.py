"""The models that are loaded."""
