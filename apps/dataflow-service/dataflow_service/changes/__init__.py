"""Word of each change, for whoever listens."""
