"""Requests to the authorization server, and what it answers."""

import base64
import json
from typing import Any

import aiohttp

from nexus_chassis.tokens import Principal, TokenVerifier

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ISSUER = "http://localhost:8000"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(client_id, secret)}


async def verified(gateway: str, audience: str, token: str) -> Principal:
    """As the service `audience` verifies it: by the published keys."""
    return await TokenVerifier(ISSUER, audience, f"{gateway}/.well-known/jwks.json").verify(token)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


async def post(http: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  aiohttp's own
    async with http.post(url, **options) as response:
        return response.status, await response.json(content_type=None)


def refusal(error: str, description: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    return status, {
        "type": f"urn:nexus:problem:{error.replace('_', '-')}",
        "title": "The OAuth request is refused",
        "status": status,
        "detail": description,
        "error": error,
        "error_description": description,
    }


class Added(dict[str, Any]):
    """A client that an administrator added, as the answer describes it."""

    @property
    def headers(self) -> dict[str, str]:
        return basic(self["id"], self["client_secret"])


async def add_client(http: aiohttp.ClientSession, gateway: str, admin: dict[str, str], **members: Any) -> Added:  # noqa: ANN401
    """Add a client of machines, unless `members` say otherwise."""
    body = {
        "name": "Machine",
        "kind": "confidential",
        "grant_types": ["client_credentials"],
        "scopes": ["data:read"],
        "audiences": ["dataflow-service"],
        **members,
    }
    status, answer = await post(http, f"{gateway}/v1/clients", headers=admin, json=body)
    assert status == 201, answer
    return Added(answer)
