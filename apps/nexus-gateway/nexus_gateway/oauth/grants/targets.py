"""What a client may request: for which audience, with which scopes."""

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.models import Client


def require_audience(client: Client, audience: str) -> None:
    """Raise OAuthError `invalid_target` unless the client may request tokens for `audience`."""
    if audience not in client.audiences:
        names = ", ".join(sorted(client.audiences))
        raise OAuthError("invalid_target", f"{client.id} gets no token for {audience!r}. Use one of {names}.")


def narrowed(possible: frozenset[str], wanted: str | None) -> frozenset[str]:
    """The scopes in `wanted`, all that are possible without it; raises OAuthError `invalid_scope`."""
    if wanted is None:
        return possible
    scopes = frozenset(wanted.split())
    if missing := scopes - possible:
        raise OAuthError("invalid_scope", f"These scopes cannot be had: {' '.join(sorted(missing))}.")
    return scopes
