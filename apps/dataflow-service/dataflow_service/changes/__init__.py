"""Publishing of committed changes."""
