"""What a connection of a test says to see the rows of a tenant."""

DEFAULT_TENANT = {"app.tenant": "default"}
"""The tenant of tokens that name none."""
