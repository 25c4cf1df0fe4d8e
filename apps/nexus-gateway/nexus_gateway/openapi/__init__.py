"""The OpenAPI document of the gateway and of the services behind it."""
