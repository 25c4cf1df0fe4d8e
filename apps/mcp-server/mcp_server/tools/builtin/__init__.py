"""The tools that this server brings along."""
