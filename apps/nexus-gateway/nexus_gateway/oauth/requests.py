"""Requests as authlib's classes read them."""

from dataclasses import dataclass

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from nexus_gateway.oauth.authentication import AuthenticatedClient
from nexus_gateway.oauth.models import Client

_ANY_ADDRESS = "https://gateway.invalid"  # authlib wants https; what clients reach is the matter of NEXUS_ISSUER


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a request: address and User-Agent."""

    address: str
    agent: str


class LoadedRequest(OAuth2Request):
    """A request with its client: authlib's classes are synchronous, so they are given what they would look up."""

    def __init__(self, method: str, parameters: dict[str, str], client: Client, peer: Peer) -> None:
        super().__init__(method, _ANY_ADDRESS)
        self.payload: BasicOAuth2Payload = BasicOAuth2Payload(parameters)
        self.client: Client = client
        self.peer = peer

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data


def token_request(parameters: dict[str, str], authenticated: AuthenticatedClient, peer: Peer) -> LoadedRequest:
    """A request for tokens by a client that has authenticated."""
    request = LoadedRequest("POST", parameters, authenticated.client, peer)
    request.auth_method = authenticated.method
    return request
