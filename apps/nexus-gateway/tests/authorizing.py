"""A browser and a client that go through the authorization code flow."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from oauth_requests import post
from redis.asyncio import Redis
from yarl import URL

REDIRECT = "http://127.0.0.1:51004/callback"
WEB = "https://app.example/callback?keep=me"
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = create_s256_code_challenge(VERIFIER)
_FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


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


@dataclass
class Page:
    """What the browser got."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def answer(self) -> dict[str, str]:
        """The parameters that the client receives."""
        return dict(parse_qsl(urlsplit(self.location).query))

    @property
    def form(self) -> dict[str, str]:
        """The hidden fields of the page's own form."""
        return {unescape(name): unescape(value) for name, value in _FIELD.findall(self.text.partition("<main")[2])}


@dataclass
class Browser:
    """A browser at which somebody may be signed in."""

    http: aiohttp.ClientSession
    gateway: str
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, redis_url: str, session: str) -> None:
        """As after the login page."""
        value = secrets.token_urlsafe(32)
        async with Redis.from_url(redis_url) as redis:
            await redis.set(f"gateway:browser:{hashlib.sha256(value.encode()).hexdigest()}", session, ex=600)
        self.cookie = f"__Host-nexus={value}"

    async def send(self, method: str, path: str, **options: Any) -> Page:  # noqa: ANN401  aiohttp's own
        headers = {"Host": "localhost:8000", **({"Cookie": self.cookie} if self.cookie else {}), **self.headers}
        url = URL(f"{self.gateway}{path}", encoded=True)
        async with self.http.request(method, url, headers=headers, allow_redirects=False, **options) as response:
            return Page(response.status, dict(response.headers), await response.text())

    async def open(self, **changes: str | None) -> Page:
        """The authorization endpoint, with the request of `request_of`."""
        return await self.send("GET", f"/oauth/authorize?{urlencode(request_of(**changes))}")

    async def decide(self, page: Page, decision: str, **changes: str) -> Page:
        """Press a button of the page."""
        return await self.send("POST", "/oauth/authorize", data={**page.form, "decision": decision, **changes})

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
    status, body = await post(http, f"{browser.gateway}/oauth/token", data=token_form(code))
    assert status == 200, body
    return dict(body)
