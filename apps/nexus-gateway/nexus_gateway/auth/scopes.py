"""What access tokens can allow, and which of it concerns which service."""

from collections.abc import Iterable

ADMIN = "admin"
"""The scope of administrators, and the role that has every scope."""

PUBLISH = "events:publish"
"""The scope for publishing to channels of applications."""

FIRST_PARTY = "nexus"
"""The `client_id` of tokens for users who signed in at the gateway itself."""

_SCOPES = frozenset(
    {"data:read", "data:write", "data:admin", "classify", "tools:call", "workflows:deploy", PUBLISH, ADMIN}
)
_READING = {
    "nexus-gateway": frozenset({"data:read", "classify"}),
    "dataflow-service": frozenset({"data:read"}),
    "classification-service": frozenset({"classify"}),
    "mcp-server": frozenset({"tools:call", "data:read", "classify"}),
}
STRANGERS_SCOPES = _SCOPES - {"data:admin", PUBLISH, ADMIN}
"""What a client can have that no administrator has added: users may grant it."""


def all_scopes(more: Iterable[str]) -> frozenset[str]:
    """Every scope there is; each service of `more` has one, by its own name."""
    return _SCOPES.union(more)


def service_scopes(more: Iterable[str]) -> dict[str, frozenset[str]]:
    """By audience: the scopes that its tokens can carry."""
    return {
        "dataflow-service": frozenset({"data:read", "data:write", "data:admin", ADMIN}),
        "classification-service": frozenset({"classify", ADMIN}),
        "mcp-server": all_scopes(more),  # it calls the other services on behalf of its callers
        **{name: frozenset({name, ADMIN}) for name in more},
    }


def reading_scopes(audience: str) -> frozenset[str]:
    """What tokens for `audience` need for reading, and have when nobody names their scopes."""
    return _READING.get(audience, frozenset({audience}))
