"""How clients say who they are (RFC 6749 section 2.3)."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.models import AuthMethod, Client

type FindClient = Callable[[str], Awaitable[Client | None]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client sent."""

    method: AuthMethod
    client_id: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client, and how it authenticated: a public one only says its id."""

    client: Client
    method: AuthMethod


def read_credentials(authorization: str | None, parameters: Mapping[str, str]) -> Credentials:
    """The client's credentials, by one method; raises OAuthError."""
    client_id, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
    if authorization is not None:
        found = _basic(authorization)
        if secret or client_id not in {"", found.client_id}:
            raise OAuthError("invalid_request", "The client authenticates in two ways. Use one.")
        return found
    if not client_id:
        raise OAuthError("invalid_client", "Send the client's id and secret by HTTP Basic.")
    return Credentials(AuthMethod.POST if secret else AuthMethod.NONE, client_id, secret)


async def authenticate_client(credentials: Credentials, find: FindClient) -> AuthenticatedClient:
    """The client that sent these credentials; raises OAuthError `invalid_client`."""
    client = await find(credentials.client_id)
    if client is None or not client.check_endpoint_auth_method(credentials.method, "token"):
        raise _refused()
    if not client.is_public and not client.check_client_secret(credentials.secret):
        raise _refused()
    return AuthenticatedClient(client, credentials.method)


def _refused() -> OAuthError:
    return OAuthError("invalid_client", "No client has this id and secret. See the client's secret file.")


def _basic(authorization: str) -> Credentials:
    """Client id and secret, each form-encoded inside (RFC 6749 section 2.3.1)."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:  # no ASCII, no Base64, or no UTF-8 inside
        decoded = ""
    client_id, found, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not found:
        raise OAuthError("invalid_client", "Send the client's id and secret by HTTP Basic.")
    return Credentials(AuthMethod.BASIC, unquote_plus(client_id), unquote_plus(secret))
