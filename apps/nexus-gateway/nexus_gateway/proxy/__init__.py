"""Routes to the services behind the gateway."""
