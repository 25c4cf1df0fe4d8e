"""A browser and a client that go through the authorization code flow."""

import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

import aiohttp
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from oauth_requests import post
from page_client import BrowserClient, Page
from redis.asyncio import Redis

REDIRECT = "http://127.0.0.1:51004/callback"
WEB = "https://app.example/callback?keep=me"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = create_s256_code_challenge(VERIFIER)


def request_of(**changes: str | None) -> dict[str, str]:
    """An authorization request of `mcp-client`, with changes; None leaves a parameter out."""
    parameters = {
        "response_type": "code",
        "client_id": "mcp-client",
        "redirect_uri": REDIRECT,
        "scope": "tools:call data:read",
        "state": "xyz &=1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": "http://localhost:3000/mcp",
    }
    return {name: value for name, value in {**parameters, **changes}.items() if value is not None}


class Browser(BrowserClient):
    """A browser in which a user decides what a client may do."""

    async def enter(self, redis_url: str, session: str) -> None:
        """Be signed in in a session that there is, as after the login page."""
        value = secrets.token_urlsafe(32)
        async with Redis.from_url(redis_url) as redis:
            await redis.set(f"gateway:browser:{hashlib.sha256(value.encode()).hexdigest()}", session, ex=600)
        self.cookies["__Host-nexus"] = value

    async def open(self, **changes: str | None) -> Page:
        """The authorization endpoint, with the request of `request_of`."""
        return await self.get(f"/oauth/authorize?{urlencode(request_of(**changes))}")

    async def decide(self, page: Page, decision: str, **changes: str) -> Page:
        """Press a button of the page."""
        return await self.request("POST", "/oauth/authorize", {**page.form, "decision": decision, **changes})

    async def allow(self, **changes: str | None) -> str:
        """The code that the client receives once the user allowed its request."""
        page = await self.open(**changes)
        if page.status == 200:
            page = await self.decide(page, "allow")
        assert "code" in page.answer, (page, page.answer)
        return page.answer["code"]


def code_client(**members: object) -> dict[str, object]:
    return {
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [WEB],
        "scopes": ["data:read", "data:write", "classify", "tools:call"],
        "audiences": ["mcp-server"],
        **members,
    }


def token_form(issued: str, /, **changes: str | None) -> dict[str, str]:
    """The token request of `mcp-client`, with changes; None leaves a parameter out."""
    parameters = {
        "grant_type": "authorization_code",
        "client_id": "mcp-client",
        "code": issued,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return {name: value for name, value in {**parameters, **changes}.items() if value is not None}


async def tokens_of(browser: Browser, http: aiohttp.ClientSession, **changes: str | None) -> dict[str, Any]:
    """The tokens of a whole code flow of `mcp-client`."""
    code = await browser.allow(**changes)
    status, body = await post(http, f"{browser.url}/oauth/token", data=token_form(code))
    assert status == 200, body
    return dict(body)
