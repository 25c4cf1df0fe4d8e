"""What a client may request: for which audience, with which scopes."""

from collections.abc import Mapping

from nexus_chassis.challenges import is_scope_token
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.models import Client
from nexus_gateway.oauth.resources import Resources


def target(client: Client, parameters: Mapping[str, str], resources: Resources) -> str:
    """The audience that a request names by `audience` or `resource`, else the only one that the client may use.

    Raises OAuthError `invalid_target`.
    """
    audience, resource = parameters.get("audience"), parameters.get("resource")
    if resource is not None:
        found = resources.audience(resource)
        if audience not in {None, found}:
            raise OAuthError("invalid_target", f"The resource is of {found}, the audience is {audience!r:.100}.")
        audience = found
    if audience is None:
        audience = next(iter(client.audiences)) if len(client.audiences) == 1 else ""
    if audience not in client.audiences:
        names = ", ".join(sorted(client.audiences))
        raise OAuthError("invalid_target", f"{client.id} gets no token for {audience!r:.100}. Use one of {names}.")
    return audience


def narrowed(possible: frozenset[str], wanted: str | None, default: frozenset[str]) -> frozenset[str]:
    """The scopes in `wanted`, without it those of `default`; raises OAuthError `invalid_scope`."""
    if wanted is None:
        return possible & default
    scopes = frozenset(wanted.split())
    if missing := scopes - possible:
        raise OAuthError("invalid_scope", f"These scopes cannot be had: {' '.join(sorted(missing))}.")
    return scopes


def possible_of(wanted: str | None, possible: frozenset[str], default: frozenset[str]) -> frozenset[str]:
    """Those of the scopes in `wanted` that are possible, without it those of `default`; raises OAuthError `invalid_scope`.

    Clients ask for scopes of other servers too, such as `openid`, so a part may be left out (RFC 6749 section 3.3).
    """
    scopes = default if wanted is None else frozenset(wanted.split())
    if not all(map(is_scope_token, scopes)):
        raise OAuthError("invalid_scope", "A scope has characters that no scope can have.")
    if not scopes & possible:
        raise OAuthError("invalid_scope", "None of the scopes can be had by this user with this client.")
    return scopes & possible
