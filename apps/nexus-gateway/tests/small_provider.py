"""An OpenID Connect provider over real HTTP with real keys, which lies as a test wants it to."""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

CLIENT_ID, CLIENT_SECRET = "nexus gateway", "a secret: 100% of it"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256", "use": "sig"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256", "use": "sig"})
NEXT_RSA = RSAKey.generate_key(2048, {"kid": "next", "alg": "RS256", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "EdDSA", "use": "sig"})
PARTS = {"kty", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "k"}
WITHOUT = object()
"""The value of a claim that a token is to lack."""


def sign(claims: dict[str, Any], key: Key = RSA, **header: object) -> str:
    protected = {"alg": "RS256", "kid": key.kid, **header}
    present = {name: value for name, value in protected.items() if value is not WITHOUT}
    bare = import_key({name: value for name, value in key.as_dict(private=True).items() if name in PARTS})
    registry = jws.JWSRegistry(algorithms=[str(present["alg"])], strict_check_header=False)
    return jws.serialize_compact(present, json.dumps(claims), bare, registry=registry)


type Configure = Callable[..., None]


@dataclass
class SmallProvider:
    """`claims` and `header` replace those of the ID token; `replies` replaces whole answers by path."""

    url: str = ""
    subject: str = "s-1"
    key: Key = field(default_factory=lambda: RSA)
    published: list[Key] = field(default_factory=lambda: [RSA])
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    replies: dict[str, web.Response] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    delay: float = 0
    authentication: str = ""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def approve(self, authorization_url: str, **changed: str | None) -> str:
        """The query of the callback after the user has signed in and agreed."""
        parameters = dict(parse_qsl(urlsplit(authorization_url).query))
        code = secrets.token_urlsafe(8)
        self._codes[code] = parameters
        answer = {"code": code, "state": parameters["state"], "iss": self.url, **changed}
        return urlencode({name: value for name, value in answer.items() if value is not None})

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._discover)
        application.router.add_get("/keys", self._keys)
        application.router.add_get("/userinfo", self._userinfo)
        application.router.add_post("/token", self._token)
        return application

    async def _reply(self, request: web.Request, content: object, status: int = 200) -> web.StreamResponse:
        self.asked.append(request.path)
        await asyncio.sleep(self.delay)
        if (made := self.replies.get(request.path)) is not None:
            return web.Response(status=made.status, body=made.body, headers=made.headers)
        return web.json_response(content, status=status)

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        endpoints = {
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        return await self._reply(request, {"issuer": self.url, **endpoints, **self.metadata})

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return await self._reply(request, {"keys": [key.as_dict(private=False) for key in self.published]})

    async def _userinfo(self, request: web.Request) -> web.StreamResponse:
        known = request.headers["Authorization"] == "Bearer access-token"
        return await self._reply(request, {"sub": self.subject, **self.userinfo}, 200 if known else 401)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        fault = self._fault(request.headers.get("Authorization", ""), form)
        if fault:
            return await self._reply(request, {"error": fault}, 400)
        token = self.id_token(self._codes.pop(form["code"])["nonce"])
        return await self._reply(request, {"access_token": "access-token", "token_type": "Bearer", "id_token": token})

    def _fault(self, authorization: str, form: dict[str, str]) -> str:
        known = [CLIENT_ID, CLIENT_SECRET]
        if authorization:
            self.authentication = "basic"
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            is_known = [unquote_plus(part) for part in pair] == known
        else:
            self.authentication = "post" if "client_secret" in form else "none"
            is_known = [form["client_id"], form.get("client_secret", CLIENT_SECRET)] == known
        if not is_known:
            return "invalid_client"
        begun = self._codes.get(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if begun is None or (begun["code_challenge"], begun["redirect_uri"]) != (challenge, form["redirect_uri"]):
            return "invalid_grant"
        return ""

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "sub": self.subject, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= self.claims
        present = {name: value for name, value in claims.items() if value is not WITHOUT}
        return sign(present, self.key, **self.header)


@asynccontextmanager
async def small_provider() -> AsyncIterator[SmallProvider]:
    provider = SmallProvider()
    runner = web.AppRunner(provider.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()
