"""The clients that may request tokens."""

import hmac

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.models import Client


class Clients:
    """The registered clients. There is one: the service that calls others on behalf of its callers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def authenticate(self, client_id: str, secret: str) -> Client:
        """The client with this id and secret; raises OAuthError `invalid_client`."""
        expected = f"{self._client.id}:{self._client.secret}".encode()
        if not hmac.compare_digest(f"{client_id}:{secret}".encode(), expected):
            raise OAuthError("invalid_client", "No client has this id and secret. See the client's secret file.")
        return self._client
