"""Browsers: a cookie stands for a session, and the session's access token for whoever is signed in."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from cachetools import LRUCache
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from starlette.responses import Response

from nexus_chassis.admission import ticket_of
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier
from nexus_gateway.auth.access import Access, remember_principal
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.limits import NO_CHARGE, Charge, set_usage
from nexus_gateway.auth.public_address import PublicAddress
from nexus_gateway.auth.session_gate import SessionGate

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CACHED_TOKENS = 4096
_FRESH_SECONDS = 30
_MAX_COOKIE = 128


class AccessToken(Protocol):
    """A session's access token."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def expires_in(self) -> int:
        """Seconds that it is valid."""


type IssueAccessToken = Callable[[str], Awaitable[AccessToken]]
"""A fresh access token of the session with that id; raises SessionEndedError."""


type ChargeOf = Callable[[Principal], Charge]
"""What a request of a principal counts by."""


def _free(_: Principal) -> Charge:
    return NO_CHARGE


@dataclass(frozen=True, slots=True)
class BrowserUser:
    """Who is signed in at a browser, and in which session."""

    id: str
    username: str
    tenant: str | None
    scopes: frozenset[str]
    session: str


class _Kept:
    """An access token, until shortly before it expires."""

    __slots__ = ("fresh_until", "token")

    def __init__(self, issued: AccessToken) -> None:
        self.token = issued.token
        self.fresh_until = time.monotonic() + issued.expires_in - _FRESH_SECONDS


class Browsers:
    """The browsers that are signed in: their cookies are random, and stored hashed. Raises RedisUnavailableError."""

    def __init__(
        self,
        redis: Redis,
        address: PublicAddress,
        *,
        issue: IssueAccessToken,
        verifier: TokenVerifier,
        gate: SessionGate,
    ) -> None:
        self._redis = redis
        self.address = address
        self._issue = issue
        self._verifier = verifier
        self._gate = gate
        self._tokens: LRUCache[str, _Kept] = LRUCache(_CACHED_TOKENS)

    def cookie_of(self, connection: HTTPConnection) -> str | None:
        """The value of the browser's cookie, if it has one that can be the gateway's."""
        value = connection.cookies.get(self.address.cookie, "")
        return value if 0 < len(value) <= _MAX_COOKIE and value.isascii() else None

    async def begin(self, response: Response, session: str, seconds: int) -> None:
        """Sign the browser in: it receives a new cookie for the session, for so many seconds."""
        value = secrets.token_urlsafe(32)
        with translate_redis_errors():
            await self._redis.set(_key(value), session, ex=seconds)
        self.set_cookie(response, value, seconds)

    def set_cookie(self, response: Response, value: str, seconds: int | None = None) -> None:
        """Set the cookie, for so many seconds or until the browser is closed."""
        response.set_cookie(
            self.address.cookie,
            value,
            max_age=seconds,
            path="/",
            secure=self.address.is_secure,
            httponly=True,
            samesite="lax",
        )

    async def end(self, connection: HTTPConnection, response: Response) -> None:
        """Sign the browser out; its session is not ended by this."""
        if (value := self.cookie_of(connection)) is not None:
            self._tokens.pop(_key(value), None)
            with translate_redis_errors():
                await self._redis.delete(_key(value))
        response.delete_cookie(
            self.address.cookie, path="/", secure=self.address.is_secure, httponly=True, samesite="lax"
        )

    async def user_of(self, connection: HTTPConnection) -> BrowserUser | None:
        """Who is signed in at the browser that sent this request; None for a stranger."""
        if (value := self.cookie_of(connection)) is None:
            return None
        try:
            access = await self._enter(connection, value, _free)
        except SessionEndedError:
            return None
        principal, session = access.principal, access.session
        if session is None:
            return None
        return BrowserUser(principal.subject, session.username, principal.tenant, principal.scopes, session.id)

    async def access(self, connection: HTTPConnection, charge: ChargeOf = _free) -> Access | None:
        """Who sends a request with a cookie alone, which is counted; None for a request without one.

        Raises RateLimitedError, SessionEndedError, UnknownHostError, and ForeignRequestError for a write that no own page sent.
        """
        if (value := self.cookie_of(connection)) is None:
            return None
        self.address.require_known_host(connection)
        access = await self._enter(connection, value, charge)
        if connection.scope.get("method", "GET") not in _SAFE_METHODS:
            self.address.require_own_script(connection)
        return access

    async def _enter(self, connection: HTTPConnection, value: str, charge: ChargeOf) -> Access:
        key = _key(value)
        try:
            access = await self._check(connection, await self._token(key), charge)
        except (InvalidTokenError, SessionEndedError):  # the key or the user's epoch may have moved on since
            if self._tokens.pop(key, None) is None:
                raise SessionEndedError from None
            access = await self._check_anew(connection, key, charge)
        remember_principal(connection, access.principal)
        if (ticket := ticket_of(connection)) is not None:
            ticket.assign(access.principal.subject)
        return access

    async def _check_anew(self, connection: HTTPConnection, key: str, charge: ChargeOf) -> Access:
        try:
            return await self._check(connection, await self._token(key), charge)
        except InvalidTokenError:
            raise SessionEndedError from None

    async def _check(self, connection: HTTPConnection, token: str, charge: ChargeOf) -> Access:
        principal = await self._verifier.verify(token)
        session, usage = await self._gate.admit(principal, charge(principal))
        if usage is not None:
            set_usage(connection.scope, usage)
        return Access(principal, session)

    async def _token(self, key: str) -> str:
        kept = self._tokens.get(key)
        if kept is None or kept.fresh_until <= time.monotonic():
            with translate_redis_errors():
                session = await self._redis.get(key)
            if session is None:
                raise SessionEndedError
            kept = self._tokens[key] = _Kept(await self._issue(str(session)))
        return kept.token


def _key(value: str) -> str:
    return f"gateway:browser:{hashlib.sha256(value.encode()).hexdigest()}"
