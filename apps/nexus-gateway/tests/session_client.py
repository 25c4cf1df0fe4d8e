"""A client of the session endpoints."""

from typing import Any

import aiohttp
from conftest import PASSWORD

type Answer = tuple[int, Any]

INVALID_REFRESH_TOKEN = {
    "type": "urn:nexus:problem:invalid-refresh-token",
    "title": "The refresh token is not valid",
    "status": 401,
    "detail": "It was used already, or its session has ended. Sign in at POST /v1/sessions.",
}
NO_SESSION = {
    "type": "urn:nexus:problem:no-session",
    "title": "There is no session",
    "status": 404,
    "detail": "The token belongs to no session, or you have none of this id. GET /v1/sessions lists yours.",
}
AGENT = "tests/1"


class SessionClient:
    """Calls a gateway."""

    def __init__(self, http: aiohttp.ClientSession, gateway: str) -> None:
        self.http = http
        self.gateway = gateway

    async def call(self, method: str, path: str, token: str | None = None, json: object = None) -> Answer:
        headers = {"User-Agent": AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self.http.request(method, f"{self.gateway}{path}", headers=headers, json=json) as response:
            return response.status, await response.json(content_type=None) if await response.read() else None

    async def begin(self, username: str = "admin") -> dict[str, Any]:
        status, body = await self.call("POST", "/v1/sessions", json={"username": username, "password": PASSWORD})
        assert status == 201, body
        return dict(body)

    async def refresh(self, token: str) -> Answer:
        return await self.call("POST", "/v1/sessions/refresh", json={"refresh_token": token})

    async def status_of(self, token: str) -> int:
        """What the gateway answers to an access token."""
        return (await self.call("GET", "/v1/me", token))[0]
