"""Who tests act for."""

from nexus_chassis.principal import Principal

DEFAULT_TENANT = {"app.tenant": "default"}
"""What a connection says to see the rows of those whose tokens name no tenant."""

ME = Principal("me", "test", frozenset(), "", 0, "")
"""One of them."""
