"""What access tokens can allow, and which of it concerns which service."""

ALL_SCOPES = frozenset({"data:read", "data:write", "data:admin", "classify", "tools:call", "workflows:deploy", "admin"})

SERVICE_SCOPES = {
    "dataflow-service": frozenset({"data:read", "data:write", "data:admin", "admin"}),
    "classification-service": frozenset({"classify", "admin"}),
    "mcp-server": ALL_SCOPES,  # it calls the other services on behalf of its callers
}
"""By audience: the scopes that its tokens can carry."""
